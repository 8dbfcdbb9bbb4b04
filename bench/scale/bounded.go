package main

import (
	"context"
	"sync"
	"time"

	"allocstore/store"
)

// With a bound, about an eighth of all allocations may be resident.
const (
	boundedShare  = 8
	residentBytes = 2000 // approximate size of a decoded allocation
)

// bounded opens the store with Options.ResidentBytes, reads as many random allocations as there are, and
// reports how close the resident bytes come to the bound. It leaves the store open without the bound.
func (t *trial) bounded(context.Context) error {
	bound := max(int64(t.Len())*residentBytes/boundedShare, 1)
	if err := t.close(); err != nil {
		return err
	}
	s, err := store.Open(t.path, &store.Options{ResidentBytes: bound})
	if err != nil {
		return err
	}
	t.s = s
	var highest int64
	var sampler sync.WaitGroup
	over := make(chan struct{})
	sampler.Go(func() { highest = maxResident(s, over) })
	c := t.draw(t.Len())
	err = t.measureGets("get at random, an eighth resident", c, len(c.ids))
	close(over)
	sampler.Wait()
	if err != nil {
		return err
	}
	stats := s.Stats()
	t.AtMost("most that was resident, of Options.ResidentBytes", float64(highest)/float64(bound), "x", 1.1)
	t.Record("reads that found their allocation resident", 100*float64(stats.Hits)/float64(stats.Hits+stats.Misses), "%")
	if err := t.close(); err != nil {
		return err
	}
	return t.open()
}

// maxResident samples the resident bytes until over is closed, and returns their maximum.
func maxResident(s *store.Store, over <-chan struct{}) (highest int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		highest = max(highest, s.Stats().ResidentBytes)
		select {
		case <-over:
			return highest
		case <-tick.C:
		}
	}
}
