package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

const (
	mixedWriters = 64

	// The mixed load lasts for mixedCollections garbage collections, but no longer than
	// mixedMax.
	mixedCollections = 2
	mixedMax         = 3 * time.Minute
)

// mixedLoad reads and updates concurrently while all allocations are resident, and
// reports the share of processor time spent on garbage collection. It starts and ends
// at the end of a collection, so that it measures whole collections.
func (t *trial) mixedLoad(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var over atomic.Bool
	var reads, writes atomic.Int64
	c := t.choose(min(t.Len(), 500_000))
	runtime.GC()
	then := machine.ProcessorNow()
	reading, writing := report.Start("mixed load: get"), report.Start("mixed load: update")
	go func() {
		defer over.Store(true)
		t.untilCollected(ctx, then.Collections+mixedCollections)
	}()
	err := program.Parallel(getters+mixedWriters, func(g int) (err error) {
		if g < getters {
			err = t.mixedReads(c.part(g), &over, &reads)
		} else {
			err = t.mixedWrites(ctx, g-getters, &over, &writes)
		}
		if err != nil {
			over.Store(true)
		}
		return err
	})
	reading.End(t.Report, t.progress, int(reads.Load()), nil)
	writing.End(t.Report, t.progress, int(writes.Load()), nil)
	now := machine.ProcessorNow()
	if now.Collections == then.Collections {
		runtime.GC()
		now = machine.ProcessorNow()
	}
	share, _ := now.Share(then)
	t.Record("of the processors' time under mixed load, collecting garbage", share*100, "%")
	t.Record("collections of it in that time", float64(now.Collections-then.Collections), "")
	return err
}

// untilCollected waits for the given collection, and at least for the time of -mixed.
func (t *trial) untilCollected(ctx context.Context, collections uint64) {
	for began := time.Now(); ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		took := time.Since(began)
		enough := machine.ProcessorNow().Collections >= collections
		if took > t.mixed && (enough || took > mixedMax) {
			return
		}
	}
}

// mixedReads looks up allocations until over is set. Their ModifyIndex changes
// concurrently, so it compares only ID and CreateIndex, once a turn.
func (t *trial) mixedReads(c chosen, over *atomic.Bool, reads *atomic.Int64) error {
	const turn = 128
	for k := 0; !over.Load() && len(c.ids) > 0; {
		for n := range turn {
			a, err := t.s.Get(c.ids[k])
			if err != nil {
				return err
			}
			if n == 0 && (a.ID != c.ids[k] || a.CreateIndex != t.created[c.jobs[k]]) {
				return fmt.Errorf("get of %s: got %s, created at %d", c.ids[k], a.ID, a.CreateIndex)
			}
			k = (k + 1) % len(c.ids)
		}
		reads.Add(turn)
		runtime.Gosched()
	}
	return nil
}

// mixedWrites reports events of random allocations among the writer's own.
func (t *trial) mixedWrites(ctx context.Context, g int, over *atomic.Bool, writes *atomic.Int64) error {
	r := rand.New(rand.NewPCG(t.Seed, uint64(g)+1))
	own := (t.Len() - g + mixedWriters - 1) / mixedWriters
	for !over.Load() && own > 0 {
		if _, err := t.write(ctx, g+r.IntN(own)*mixedWriters); err != nil {
			return fmt.Errorf("writer %d: %w", g, err)
		}
		writes.Add(1)
	}
	return nil
}
