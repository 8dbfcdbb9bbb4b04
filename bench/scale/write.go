package main

import (
	"context"
	"fmt"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
)

// place inserts all allocations, one job a batch.
func (t *trial) place(ctx context.Context) error {
	timing := report.Start("place")
	h, err := t.Place(ctx, t.s, func(job int, index uint64) {
		t.created[job] = index
		for i, to := t.JobRange(job); i < to; i++ {
			t.last[i] = index
		}
		t.batches.Add(1)
	})
	timing.End(t.Report, t.progress, t.Len(), h)
	return err
}

// update reports the events of all tasks. Every task has its event n before any has event n+1.
func (t *trial) update(ctx context.Context) error {
	t.makeCost()
	timing, all := report.Start("update"), new(report.Histogram)
	for n := range t.events {
		round := time.Now()
		h, err := t.updateAll(ctx)
		if err != nil {
			return err
		}
		all.Merge(h)
		if n == 0 || n == t.events-1 {
			t.Record(fmt.Sprintf("updates a second, event %d of each", n+1), float64(t.Len())/time.Since(round).Seconds(), "/s")
		}
	}
	timing.End(t.Report, t.progress, t.Len()*t.events, all)
	return nil
}

// makeCost measures the time to make an update, which is part of the measured time of
// an update.
func (t *trial) makeCost() {
	const n = 20_000
	began := time.Now()
	for k := range n {
		t.Update(k%t.Len(), fleet.State(k, 1+k%t.events))
	}
	t.Record("of an update's time, making it", time.Since(began).Seconds()/n*1e6, "µs")
}

// updateAll reports one more event of every allocation.
func (t *trial) updateAll(ctx context.Context) (*report.Histogram, error) {
	histograms := make([]report.Histogram, t.writers)
	err := program.Parallel(t.writers, func(g int) error {
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
	return report.Merged(histograms), err
}

// write reports one more event of each of the allocations in one batch, and returns
// the time that the store took.
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
