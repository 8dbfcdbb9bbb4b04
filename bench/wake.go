package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// A reader is a blocked reader and the result of its wait.
type reader struct {
	alloc  int
	result store.WaitResult
	err    error
	woke   time.Time
}

// wake parks the readers, and reports the first event of every task. Each reader must
// wake once, for its own allocation, at the index of that event: the allocation does
// not change again within the phase.
func (p *player) wake(ctx context.Context) error {
	readers := make([]reader, p.readers)
	var parked sync.WaitGroup
	var returned atomic.Int64
	end := p.startPhase("park readers", p.readers)
	for k := range readers {
		r := &readers[k]
		r.alloc = k * (p.Len() / p.readers)
		parked.Go(func() {
			opts := store.QueryOptions{MinQueryIndex: p.created[r.alloc/fleet.PerJob]}
			r.result, r.err = p.s.Wait(ctx, p.ids[r.alloc], opts)
			r.woke = time.Now()
			returned.Add(1)
		})
	}
	for waiting := 0; waiting+int(returned.Load()) < p.readers; {
		time.Sleep(time.Millisecond)
		waiting = p.s.Stats().Waiters
		p.done.Store(int64(waiting))
	}
	end(p.readers, nil)
	woken := report.Start("readers woken, since the write")
	if err := p.events(ctx, "client updates, readers parked", 0, 1); err != nil {
		return err
	}
	parked.Wait()
	h := new(report.Histogram)
	for k := range readers {
		if err := p.checkWoken(&readers[k]); err != nil {
			return err
		}
		h.Record(readers[k].woke.Sub(p.sent[readers[k].alloc]))
	}
	woken.End(p.Report, io.Discard, p.readers, h)
	if n := p.s.Stats().Waiters; n != 0 {
		return fmt.Errorf("%d waiters are still registered", n)
	}
	return nil
}

// checkWoken compares the result of a wait with the index that the writer got.
func (p *player) checkWoken(r *reader) error {
	id, index := p.ids[r.alloc], p.last[r.alloc]
	switch res := r.result; {
	case r.err != nil:
		return fmt.Errorf("wait for %s: %w", id, r.err)
	case res.Outcome != store.Changed || res.ID != id || res.Index != index:
		return fmt.Errorf("wait for %s, changed at %d: woke with %v for %s at %d", id, index, res.Outcome, res.ID, res.Index)
	case res.Alloc == nil || res.Alloc.ID != id || res.Alloc.ModifyIndex != index:
		return fmt.Errorf("wait for %s, changed at %d: the allocation in the result is another", id, index)
	}
	return nil
}
