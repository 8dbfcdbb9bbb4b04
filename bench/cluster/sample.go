package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"allocstore/bench/internal/report"
)

// sample is the result of one measurement: a rate with latencies, or a time.
type sample struct {
	Rate float64       `json:",omitempty"` // operations a second
	P50  time.Duration `json:",omitempty"` // nanoseconds
	P99  time.Duration `json:",omitempty"`
	Took time.Duration `json:",omitempty"`
}

func (s sample) String() string {
	if s.Took != 0 {
		return duration(s.Took)
	}
	return fmt.Sprintf("%.0f/s, p50 %s, p99 %s", s.Rate, duration(s.P50), duration(s.P99))
}

// medians returns the median of each value over the samples.
func medians(samples []sample) sample {
	return sample{
		Rate: median(samples, func(s sample) float64 { return s.Rate }),
		P50:  median(samples, func(s sample) time.Duration { return s.P50 }),
		P99:  median(samples, func(s sample) time.Duration { return s.P99 }),
		Took: median(samples, func(s sample) time.Duration { return s.Took }),
	}
}

func median[T cmp.Ordered](samples []sample, value func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return report.Median(values)
}

// result is one line of the table.
type result struct {
	Work string
	Peer string
	N    int // allocations
	sample
	ToOurs  float64  `json:",omitempty"` // multiple of our rate or time
	Samples []sample // one for each round
}

// figure returns the value that results of the same work are compared by.
func (r *result) figure() float64 {
	if r.Took != 0 {
		return float64(r.Took)
	}
	return r.Rate
}

// relate sets ToOurs of all results whose work our store did too.
func relate(results []result) {
	base := make(map[string]float64)
	for i := range results {
		if r := &results[i]; r.Peer == ours {
			base[r.Work] = r.figure()
		}
	}
	for i := range results {
		if r := &results[i]; base[r.Work] != 0 {
			r.ToOurs = r.figure() / base[r.Work]
		}
	}
}

// printTable prints the results, with a blank line between pieces of work.
func printTable(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\tsystem\tallocations\trate/s\tp50\tp99\ttime\trounds\tto ours\t")
	last := ""
	for i := range results {
		r := &results[i]
		if r.Work != last {
			fmt.Fprintln(t, "\t\t\t\t\t\t\t\t\t")
			last = r.Work
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t\n", r.Work, r.Peer, r.N, number("%.0f", r.Rate),
			duration(r.P50), duration(r.P99), duration(r.Took), len(r.Samples), number("%.2fx", r.ToOurs))
	}
	return t.Flush()
}

// number formats f, or returns "" for 0.
func number(format string, f float64) string {
	if f == 0 {
		return ""
	}
	return fmt.Sprintf(format, f)
}

// duration formats d to about three digits, or returns "" for 0.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d >= time.Microsecond:
		return d.Round(10 * time.Nanosecond).String()
	}
	return d.String()
}
