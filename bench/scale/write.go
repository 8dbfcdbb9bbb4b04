package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

// place inserts all allocations, a job at a time.
func (t *trial) place(ctx context.Context) error {
	timing, h := report.Begin("place"), new(report.Histogram)
	for k := range t.Jobs() {
		began := time.Now()
		var b store.Batch
		from, to := k*fleet.PerJob, min((k+1)*fleet.PerJob, t.Len())
		for i := from; i < to; i++ {
			b.Upsert(t.Alloc(i))
		}
		applied, err := t.s.Apply(ctx, &b)
		if err != nil {
			return err
		}
		t.created[k] = applied.Index
		for i := from; i < to; i++ {
			t.last[i] = applied.Index
		}
		t.batches.Add(1)
		h.Record(time.Since(began))
	}
	timing.End(t.Report, t.progress, t.Len(), h)
	return nil
}

// update has the clients report the events, one of each allocation at a time.
func (t *trial) update(ctx context.Context) error {
	t.making()
	timing, all := report.Begin("update"), new(report.Histogram)
	for n := range t.events {
		round := time.Now()
		h, err := t.updateAll(ctx)
		if err != nil {
			return err
		}
		all.Add(h)
		if n == 0 || n == t.events-1 {
			t.Tell(fmt.Sprintf("updates a second, event %d of each", n+1), float64(t.Len())/time.Since(round).Seconds(), "/s")
		}
	}
	timing.End(t.Report, t.progress, t.Len()*t.events, all)
	return nil
}

// making measures how long it takes to make an update, which is part of the
// update's time.
func (t *trial) making() {
	const n = 20_000
	began := time.Now()
	for k := range n {
		t.Update(k%t.Len(), fleet.State(k, 1+k%t.events))
	}
	t.Tell("of an update's time, making it", time.Since(began).Seconds()/n*1e6, "µs")
}

// updateAll has every client report one more event of each of its allocations.
func (t *trial) updateAll(ctx context.Context) (*report.Histogram, error) {
	histograms := make([]report.Histogram, t.writers)
	err := t.each(t.writers, func(g int) error {
		var batch []int
		for i := g; i < t.Len(); i += t.writers {
			if batch = append(batch, i); len(batch) < t.batch && i+t.writers < t.Len() {
				continue
			}
			took, err := t.write(ctx, batch...)
			if err != nil {
				return err
			}
			histograms[g].Record(took)
			batch = batch[:0]
		}
		return nil
	})
	for g := range t.writers - 1 {
		histograms[0].Add(&histograms[g+1])
	}
	return &histograms[0], err
}

// write has the clients of the allocations report one more event each, in one
// batch, and returns how long the store took.
func (t *trial) write(ctx context.Context, batch ...int) (time.Duration, error) {
	updates := make([]*schema.Allocation, len(batch))
	for k, i := range batch {
		updates[k] = t.Update(i, fleet.State(i, int(t.sent[i])+1))
	}
	began := time.Now()
	applied, err := t.s.UpdateFromClient(ctx, updates...)
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	if applied.Unchanged != 0 || len(applied.Unknown) != 0 {
		return took, fmt.Errorf("update of %s and %d others: applied as %+v", t.ID(batch[0]), len(batch)-1, applied)
	}
	for _, i := range batch {
		t.sent[i]++
		t.last[i] = applied.Index
	}
	t.batches.Add(1)
	return took, nil
}

// each runs fn in n goroutines and returns their errors.
func (t *trial) each(n int, fn func(g int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { errs[g] = fn(g) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
