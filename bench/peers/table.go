package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// result is one line of the table: a rate with latencies, latencies alone, a size or a count.
type result struct {
	Work string
	Peer string
	N    int // number of allocations
	sample
	Bytes  float64 `json:",omitempty"`
	Count  *int64  `json:",omitempty"` // of events that must not happen
	ToOurs float64 `json:",omitempty"` // multiple of our rate, bytes or p99

	Samples []sample `json:",omitempty"` // one for each round
}

// figure returns the value that results of the same work are compared by. For latencies
// alone it is the p99, since half of the readers may be awake at once.
func (r *result) figure() float64 {
	switch {
	case r.Rate != 0:
		return r.Rate
	case r.Bytes != 0:
		return r.Bytes
	}
	return float64(r.P99)
}

// compare sets ToOurs of all results whose work our store did too.
func compare(results []result) {
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

// grouped sorts the results by work, in the order in which the work was first done.
func grouped(results []result) (all []result) {
	done := make(map[string]bool)
	for _, first := range results {
		if done[first.Work] {
			continue
		}
		done[first.Work] = true
		for _, r := range results {
			if r.Work == first.Work {
				all = append(all, r)
			}
		}
	}
	return all
}

// printTable prints the results, with a blank line between pieces of work.
func printTable(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\tpeer\trate/s\tns each\tp50\tp99\tmax\tallocs/op\tbytes\tcount\tto ours\t")
	last := ""
	for i := range results {
		r := &results[i]
		if r.Work != last {
			fmt.Fprintln(t, "\t\t\t\t\t\t\t\t\t\t\t")
			last = r.Work
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Work, r.Peer, number("%.0f", r.Rate), number("%.1f", r.Each),
			duration(r.P50), duration(r.P99), duration(r.Max), allocs(r.Allocs), number("%.0f", r.Bytes),
			count(r.Count), number("%.2fx", r.ToOurs))
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

func count(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func allocs(f *float64) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("%.1f", *f)
}
