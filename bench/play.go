package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// A player takes a store through the main job, phase by phase.
type player struct {
	*fleet
	*report
	*progress
	path string
	s    *store.Store

	states    []schema.TaskState // of each allocation's task, as its client has it
	sent      []time.Time        // when each allocation's first event was
	latencies [][]time.Duration  // by writer
}

func newPlayer(f *fleet, dir string, p *progress) *player {
	return &player{
		fleet: f, report: newReport(f), progress: p, path: filepath.Join(dir, "bench.db"),
		latencies: make([][]time.Duration, f.writers),
	}
}

// play runs all phases on a file in dir, and returns what was measured, or the
// first difference.
func play(ctx context.Context, f *fleet, dir string, p *progress) (*report, error) {
	pl := newPlayer(f, dir, p)
	began, before := time.Now(), heap()
	if err := pl.open(); err != nil {
		return nil, err
	}
	err := pl.live(ctx, before)
	if err == nil {
		err = pl.reopen(ctx)
	}
	err = errors.Join(err, pl.s.Close())
	pl.Seconds = time.Since(began).Seconds()
	return pl.report, err
}

// open opens the store. If that goes wrong p.s stays the one before, if any.
func (p *player) open() error {
	s, err := store.Open(p.path, nil)
	if err != nil {
		return err
	}
	p.s = s
	return nil
}

// live are the phases up to the end of the tasks' lives.
func (p *player) live(ctx context.Context, before uint64) error {
	p.states, p.sent = make([]schema.TaskState, p.allocs), make([]time.Time, p.allocs)
	if err := p.place(ctx); err != nil {
		return err
	}
	if err := p.lookUp("get, resident", 2_000_000); err != nil {
		return err
	}
	if err := p.wake(ctx); err != nil {
		return err
	}
	if err := p.events(ctx, "client updates", 1, len(life)); err != nil {
		return err
	}
	p.states, p.sent = nil, nil // what follows is the store's memory alone
	clear(p.latencies)
	p.HeapBytesPer = (float64(heap()) - float64(before)) / float64(p.allocs)
	return p.delete(ctx)
}

// heap returns the bytes of the heap in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// place inserts all allocations, a job at a time.
func (p *player) place(ctx context.Context) error {
	defer p.begin("placing", p.allocs)()
	began := time.Now()
	var took []time.Duration
	for i := 0; i < p.allocs; i += allocsPerJob {
		started := time.Now()
		var b store.Batch
		to := min(i+allocsPerJob, p.allocs)
		for k := i; k < to; k++ {
			b.Upsert(p.alloc(k))
		}
		applied, err := p.s.Apply(ctx, &b)
		if err != nil {
			return err
		}
		for k := i; k < to; k++ {
			p.created[k] = applied.Index
		}
		took = append(took, time.Since(started))
		p.done.Store(int64(to))
	}
	p.add("place, in batches of 1,000", p.allocs, began, took)
	return nil
}

// lookUp gets allocations at random from two goroutines, one in 64 timed.
func (p *player) lookUp(name string, n int) error {
	defer p.begin(name, n)()
	const goroutines, timed = 2, 64
	began := time.Now()
	took := make([][]time.Duration, goroutines)
	err := p.each(goroutines, func(g int) error {
		r := rand.New(rand.NewPCG(p.seed, uint64(g)+1))
		for k := range n / goroutines {
			id := p.ids[r.IntN(len(p.ids))]
			started := time.Time{}
			if k%timed == 0 {
				started = time.Now()
			}
			a, err := p.s.Get(id)
			if err != nil {
				return err
			}
			if k%timed == 0 {
				took[g] = append(took[g], time.Since(started))
				p.done.Add(timed)
			}
			if a.ID != id {
				return fmt.Errorf("get of %s returned %s", id, a.ID)
			}
		}
		return nil
	})
	p.add(name, n, began, append(took[0], took[1]...))
	return err
}

// each runs fn in n goroutines and returns their errors.
func (p *player) each(n int, fn func(g int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { errs[g] = fn(g) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// events has every writer report events from to to of its own allocations.
func (p *player) events(ctx context.Context, name string, from, to int) error {
	n := p.allocs * (to - from)
	defer p.begin(name, n)()
	began := time.Now()
	err := p.each(p.writers, func(g int) error {
		took := make([]time.Duration, 0, n/p.writers+len(life))
		for k := from; k < to; k++ {
			for i := g; i < p.allocs; i += p.writers {
				upd := p.update(i, k, &p.states[i])
				started := time.Now()
				applied, err := p.s.UpdateFromClient(ctx, upd)
				if err != nil {
					return err
				}
				took = append(took, time.Since(started))
				if applied.Unchanged != 0 || len(applied.Unknown) != 0 {
					return fmt.Errorf("event %d of %s: applied as %+v", k, p.ids[i], applied)
				}
				if p.last[i] = applied.Index; k == 0 {
					p.first[i], p.sent[i] = applied.Index, started
				}
			}
			p.done.Add(int64(p.allocs / p.writers))
		}
		p.latencies[g] = took
		return nil
	})
	var all []time.Duration
	for _, took := range p.latencies {
		all = append(all, took...)
	}
	p.add(name, n, began, all)
	return err
}

// delete removes every tenth allocation.
func (p *player) delete(ctx context.Context) error {
	began := time.Now()
	var took []time.Duration
	var tenth []int
	for i := 0; i < p.allocs; i += 10 {
		tenth = append(tenth, i)
	}
	for batch := range slices.Chunk(tenth, allocsPerJob) {
		started := time.Now()
		var b store.Batch
		for _, i := range batch {
			b.Delete(p.ids[i])
		}
		applied, err := p.s.Apply(ctx, &b)
		if err != nil {
			return err
		}
		for _, i := range batch {
			p.deleted[i] = applied.Index
		}
		took = append(took, time.Since(started))
	}
	p.add("delete, in batches of 1,000", len(tenth), began, took)
	return nil
}
