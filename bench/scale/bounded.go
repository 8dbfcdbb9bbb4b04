package main

import (
	"context"
	"sync"
	"time"

	"allocstore/store"
)

// Of all allocations an eighth, more or less, may be resident when there is a bound.
const (
	boundedShare  = 8
	residentBytes = 2000 // about what a decoded allocation takes
)

// bounded opens the store with a bound on what is resident, reads as many as there are
// at random, and tells how near to the bound that stays. The store is left open without one.
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
	var most int64
	var sampler sync.WaitGroup
	over := make(chan struct{})
	sampler.Go(func() { most = mostResident(s, over) })
	c := t.draw(t.Len())
	err = t.measureGets("get at random, an eighth resident", c, len(c.ids))
	close(over)
	sampler.Wait()
	if err != nil {
		return err
	}
	stats := s.Stats()
	t.AtMost("most that was resident, of Options.ResidentBytes", float64(most)/float64(bound), "x", 1.1)
	t.Record("reads that found their allocation resident", 100*float64(stats.Hits)/float64(stats.Hits+stats.Misses), "%")
	if err := t.close(); err != nil {
		return err
	}
	return t.open()
}

// mostResident returns the most that was resident until over.
func mostResident(s *store.Store, over <-chan struct{}) (most int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		most = max(most, s.Stats().ResidentBytes)
		select {
		case <-over:
			return most
		case <-tick.C:
		}
	}
}
