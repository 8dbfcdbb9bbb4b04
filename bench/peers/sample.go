package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sample is what one measurement found: all of it, or each of its parts.
type sample struct {
	Rate   float64       `json:",omitempty"` // operations per second
	Allocs *float64      `json:",omitempty"` // heap allocations per operation
	P50    time.Duration `json:",omitempty"` // nanoseconds
	P99    time.Duration `json:",omitempty"`
	Max    time.Duration `json:",omitempty"`

	// Parts are what was measured at once, by the names of their work.
	Parts map[string]sample `json:"-"`
}

func pointer(f float64) *float64 { return &f }

// partNames returns the names of the samples' parts, in order.
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

// medians returns the medians of everything, each by itself.
func medians(samples []sample) sample {
	m := sample{
		Rate: median(samples, func(s sample) float64 { return s.Rate }),
		P50:  median(samples, func(s sample) time.Duration { return s.P50 }),
		P99:  median(samples, func(s sample) time.Duration { return s.P99 }),
		Max:  median(samples, func(s sample) time.Duration { return s.Max }),
	}
	if samples[0].Allocs != nil {
		m.Allocs = pointer(median(samples, func(s sample) float64 { return *s.Allocs }))
	}
	return m
}

// median returns the middle one of the samples' values, the lower of two.
func median[T cmp.Ordered](samples []sample, value func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// newHistogram returns an empty histogram of nanoseconds, exact to 1 %.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute), 2)
}

// summary merges the histograms into the first and returns its quantiles.
func summary(histograms []*hdrhistogram.Histogram) sample {
	all := histograms[0]
	for _, h := range histograms[1:] {
		all.Merge(h)
	}
	return sample{
		P50: time.Duration(all.ValueAtQuantile(50)),
		P99: time.Duration(all.ValueAtQuantile(99)),
		Max: time.Duration(all.Max()),
	}
}
