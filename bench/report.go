package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// A report is what a run has measured. There is none of a run that found a
// difference.
type report struct {
	Go             string
	CPUs           int
	Allocations    int
	Readers        int
	Writers        int
	Phases         []phase
	HeapBytesPer   float64 // heap of the store per allocation, resident, with ten events
	FileBytesPer   float64 // file per allocation, with the whole feed
	LastIndex      uint64
	OpenMicrosPer  float64 // Open per allocation
	VerifiedAllocs int
	VerifiedFeed   int
	Seconds        float64
}

// A phase is one row: how many operations, in what time, and where single ones
// were timed, how long half of them and 99 in 100 took at the most.
type phase struct {
	Name       string
	Operations int
	Seconds    float64
	P50, P99   time.Duration
}

func newReport(f *fleet) *report {
	return &report{Go: runtime.Version(), CPUs: runtime.NumCPU(), Allocations: f.allocs, Readers: f.readers, Writers: f.writers}
}

// add adds a phase that began at that time. The latencies are sorted.
func (r *report) add(name string, operations int, began time.Time, latencies []time.Duration) {
	p := phase{Name: name, Operations: operations, Seconds: time.Since(began).Seconds()}
	if n := len(latencies); n > 0 {
		slices.Sort(latencies)
		p.P50, p.P99 = latencies[n/2], latencies[min(n-1, n*99/100)]
	}
	r.Phases = append(r.Phases, p)
}

// print writes the report as a table.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\toperations\trate/s\tp50\tp99\t")
	for _, p := range r.Phases {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%s\t%s\t\n", p.Name, p.Operations, float64(p.Operations)/p.Seconds, latency(p.P50), latency(p.P99))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `
%d allocations, %d readers, %d writers; %s, %d CPUs
heap per allocation, resident, ten events: %.0f bytes
file per allocation, at the end:           %.0f bytes
open per allocation:                       %.2f µs
verified: %d allocations and %d changes of the feed, up to index %d, in %.1f s
`, r.Allocations, r.Readers, r.Writers, r.Go, r.CPUs, r.HeapBytesPer, r.FileBytesPer, r.OpenMicrosPer,
		r.VerifiedAllocs, r.VerifiedFeed, r.LastIndex, r.Seconds)
	return err
}

func latency(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(max(d/1000, 1)).String()
}
