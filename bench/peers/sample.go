package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"allocstore/bench/internal/report"
)

// sample is the result of one measurement: its own values, or those of its parts.
type sample struct {
	Rate   float64       `json:",omitempty"` // operations per second
	Each   float64       `json:",omitempty"` // nanoseconds of one operation, if one goroutine did all
	Allocs *float64      `json:",omitempty"` // heap allocations per operation
	P50    time.Duration `json:",omitempty"` // nanoseconds
	P99    time.Duration `json:",omitempty"`
	Max    time.Duration `json:",omitempty"`

	// Parts are concurrent measurements, by the name of their work.
	Parts map[string]sample `json:"-"`
}

func pointer(f float64) *float64 { return &f }

// partNames returns the sorted names of the samples' parts.
func partNames(samples [][]sample) []string {
	names := make(map[string]bool)
	for _, of := range samples {
		for _, s := range of {
			for name := range s.Parts {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// partOf returns one part of each sample that has it.
func partOf(samples []sample, name string) (parts []sample) {
	for _, s := range samples {
		if part, ok := s.Parts[name]; ok {
			parts = append(parts, part)
		}
	}
	return parts
}

// medians returns the median of each value over the samples.
func medians(samples []sample) sample {
	m := sample{
		Rate: median(samples, func(s sample) float64 { return s.Rate }),
		Each: median(samples, func(s sample) float64 { return s.Each }),
		P50:  median(samples, func(s sample) time.Duration { return s.P50 }),
		P99:  median(samples, func(s sample) time.Duration { return s.P99 }),
		Max:  median(samples, func(s sample) time.Duration { return s.Max }),
	}
	if samples[0].Allocs != nil {
		m.Allocs = pointer(median(samples, func(s sample) float64 { return *s.Allocs }))
	}
	return m
}

// median returns the median of one value over the samples.
func median[T cmp.Ordered](samples []sample, value func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return report.Median(values)
}

// latencies returns the quantiles of the histogram.
func latencies(h *report.Histogram) sample {
	return sample{P50: h.Quantile(.5), P99: h.Quantile(.99), Max: h.Max()}
}

// wakeTimes are the latencies of woken readers.
type wakeTimes struct {
	fromCall, fromAnswer report.Histogram
}

// record records a reader's latencies. A reader that is awake before the answer counts
// as awake 1 ns after it.
func (w *wakeTimes) record(call, answer, awake time.Time) {
	w.fromCall.Record(max(awake.Sub(call), 1))
	w.fromAnswer.Record(max(awake.Sub(answer), 1))
}
