package main

import (
	"time"

	"allocstore/bench/internal/report"
)

// perChunk is the minimum number of allocations in a chunk.
const perChunk = 1000

// chunker reads allocations chunk by chunk, by one goroutine.
type chunker interface {
	// pick chooses the allocations of the next chunk and returns their number.
	pick() int

	// read reads the chunk, with a field of each allocation. It alone is measured.
	read() error

	// check compares the allocations that were read with those picked.
	check() error
}

// inChunks reads chunks until d has passed. The time for an allocation is that of the
// median chunk, so other work on the machine that interrupts some chunks does not count.
func inChunks(c chunker, d time.Duration) (sample, error) {
	var times []float64 // nanoseconds of an allocation, for each chunk
	total, before := 0, mallocs()
	for end := time.Now().Add(d); ; {
		n := c.pick()
		start := time.Now()
		if err := c.read(); err != nil {
			return sample{}, err
		}
		now := time.Now()
		if err := c.check(); err != nil {
			return sample{}, err
		}
		times = append(times, float64(now.Sub(start))/float64(n))
		total += n
		if now.After(end) {
			break
		}
	}
	allocated := mallocs() - before
	each := report.Median(times)
	return sample{Rate: 1e9 / each, Each: each, Allocs: pointer(float64(allocated) / float64(total))}, nil
}
