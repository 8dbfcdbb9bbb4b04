package main

import (
	"context"
	"fmt"
	"time"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

// openPlaced reopens the store before any update.
func (t *trial) openPlaced(context.Context) error { return t.reopen("as placed") }

// openUpdated reopens the store after the updates.
func (t *trial) openUpdated(context.Context) error { return t.reopen("after the updates") }

// compact compacts the store and reopens it.
func (t *trial) compact(ctx context.Context) error {
	timing := report.Start("compact")
	err := t.s.Compact(ctx)
	timing.End(t.Report, t.progress, t.Len(), nil)
	if err != nil {
		return err
	}
	s := t.s.Stats()
	t.Record("file after it", float64(s.FileBytes)/1e9, "GB")
	t.Record("of the live bytes", float64(s.FileBytes)/float64(s.LiveBytes), "x")
	return t.reopen("after compacting")
}

// reopen closes and opens the store -opens times, and reports the time and the memory
// before the first read. It leaves the store open.
func (t *trial) reopen(when string) error {
	var took []time.Duration
	var heaps, own, mapped []int64
	for range t.opens {
		if err := t.close(); err != nil {
			return err
		}
		machine.Release()
		heapBefore, _ := machine.InUse()
		before := machine.ResidentNow()
		began := time.Now()
		if err := t.open(); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		now := machine.ResidentNow()
		heap, _ := machine.InUse()
		heaps = append(heaps, heap-heapBefore)
		own = append(own, now.Anonymous-before.Anonymous)
		mapped = append(mapped, now.Mapped-before.Mapped)
	}
	t.AtMost("open "+when+", median", report.Median(took).Seconds(), "s", 2)
	t.AtMost("heap "+when+" and opened", float64(report.Median(heaps))/1e6, "MB", 700)
	t.AtMost("the process's own memory then, garbage included", float64(report.Median(own))/1e6, "MB", 700)
	t.Record("mapped pages of the file then", float64(report.Median(mapped))/1e6, "MB")
	return nil
}

// verify compares every allocation with its expected state.
func (t *trial) verify(ctx context.Context) error {
	timing := report.Start("get each and check all of it")
	err := program.Parallel(getters, func(g int) error {
		for i := g; i < t.Len() && ctx.Err() == nil; i += getters {
			a, err := t.s.Get(t.ID(i))
			if err != nil {
				return err
			}
			if err := t.Check(i, a, t.truth(i)); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	timing.End(t.Report, t.progress, t.Len(), nil)
	return err
}

// checkLists compares the counts and the lists with their expected sizes.
func (t *trial) checkLists(context.Context) error {
	s := t.s.Stats()
	if want := 1 + t.batches.Load(); s.LastIndex != want {
		return fmt.Errorf("the last index is %d; there were %d batches, so it should be %d", s.LastIndex, t.batches.Load(), want)
	}
	if s.Allocations != t.Len() || s.Jobs != t.Jobs() || s.Tombstones != 0 {
		return fmt.Errorf("%d allocations, %d tombstones, %d jobs, want %d, 0 and %d", s.Allocations, s.Tombstones, s.Jobs, t.Len(), t.Jobs())
	}
	all := 0
	for _, err := range t.s.All() {
		if err != nil {
			return err
		}
		all++
	}
	if all != t.Len() {
		return fmt.Errorf("the list of all has %d allocations, want %d", all, t.Len())
	}
	for k := range t.Jobs() {
		if err := t.checkJobList(k); err != nil {
			return err
		}
	}
	t.Record("allocations checked after opening", float64(all), "")
	return nil
}

// checkJobList checks that the list of job k has all allocations of the job and no others.
func (t *trial) checkJobList(k int) error {
	n := 0
	for a, err := range t.s.ByJob(t.JobID(k)) {
		if err != nil {
			return err
		}
		if a.JobID != t.JobID(k) {
			return fmt.Errorf("the list of %s has %s, which is of %s", t.JobID(k), a.ID, a.JobID)
		}
		n++
	}
	if from, to := t.JobRange(k); n != to-from {
		return fmt.Errorf("the list of %s has %d allocations, want %d", t.JobID(k), n, to-from)
	}
	return nil
}
