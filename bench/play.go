package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"allocstore/bench/internal/cluster"
	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

// eventsPerTask exceeds the ten events that the store keeps.
const eventsPerTask = 14

// perNode is the number of allocations that the schedulers place, for each node with an agent.
// A node has room for fewer at once.
const perNode = 20

// A player takes a store through the phases of the program, and holds the state that the store must have.
type player struct {
	config
	*fleet.Fleet
	*report.Report
	*progress
	path    string
	s       *store.Store
	cluster *cluster.Cluster // schedulers and agents, with allocations of their own
	ids     []string         // of all allocations; making an ID takes as long as a lookup

	states []schema.TaskState // of each allocation's task, as its client holds it
	sent   []time.Time        // time at which each allocation's first event was sent

	// The indexes that the store returned.
	created   []uint64 // by job: the index of its insert
	last      []uint64 // by allocation: the index of its last event
	deleted   []uint64 // by allocation: the index of its deletion, or 0
	lastIndex uint64   // when the store was closed
}

func newPlayer(c config, dir string, p *progress) (*player, error) {
	f, err := fleet.New(c.Sample, c.allocs, c.Seed)
	if err != nil {
		return nil, err
	}
	members, err := cluster.New(cluster.Config{Sample: c.Sample, Seed: c.Seed, Nodes: c.nodes, Allocs: perNode * c.nodes, Schedulers: c.schedulers})
	if err != nil {
		return nil, err
	}
	pl := &player{
		config: c, Fleet: f, Report: report.New(c.Command, dir), progress: p, path: filepath.Join(dir, "bench.db"),
		cluster: members, created: make([]uint64, f.Jobs()), last: make([]uint64, f.Len()), deleted: make([]uint64, f.Len()),
	}
	for i := range f.Len() {
		pl.ids = append(pl.ids, f.ID(i))
	}
	return pl, nil
}

// play runs all phases on a file in dir. It returns the measurements, or the first difference found.
func play(ctx context.Context, c config, dir string, p *progress) (*report.Report, error) {
	pl, err := newPlayer(c, dir, p)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	before, _ := machine.InUse()
	if err := pl.open(); err != nil {
		return nil, err
	}
	if err = pl.live(ctx, before); err == nil {
		err = pl.reopen(ctx)
	}
	err = errors.Join(err, pl.s.Close())
	pl.Record("in all", time.Since(began).Seconds(), "s")
	return pl.Report, err
}

// startPhase starts a phase of n operations and shows its progress. The returned
// function ends the phase and adds it to the report.
func (p *player) startPhase(name string, n int) (end func(operations int, h *report.Histogram)) {
	stop, timing := p.show(name, n), report.Start(name)
	return func(operations int, h *report.Histogram) {
		timing.End(p.Report, io.Discard, operations, h)
		stop()
	}
}

// open opens the store. If that fails, p.s keeps its value.
func (p *player) open() error {
	s, err := store.Open(p.path, nil)
	if err != nil {
		return err
	}
	p.s = s
	return nil
}

// live runs the phases up to the closing of the store. before is the size of the heap before the store was opened.
func (p *player) live(ctx context.Context, before int64) error {
	p.states, p.sent = make([]schema.TaskState, p.Len()), make([]time.Time, p.Len())
	if err := p.place(ctx); err != nil {
		return err
	}
	if err := p.lookUp("get, resident", 2_000_000); err != nil {
		return err
	}
	if err := p.getMany("get many, resident", max(2000, 20*p.Len())); err != nil {
		return err
	}
	if err := p.listNodes("list nodes, resident", 20*p.Len()); err != nil {
		return err
	}
	if err := p.wake(ctx); err != nil {
		return err
	}
	if err := p.events(ctx, "client updates", 1, eventsPerTask); err != nil {
		return err
	}
	p.states, p.sent = nil, nil // the heap measured next is the store's alone
	heap, _ := machine.InUse()
	p.Record("heap per allocation, resident, with ten events", float64(heap-before)/float64(p.Len()), "bytes")
	if err := p.delete(ctx); err != nil {
		return err
	}
	return p.agents(ctx)
}

// place inserts all allocations, one job a batch.
func (p *player) place(ctx context.Context) error {
	end := p.startPhase("place, in batches of 1,000", p.Len())
	h, err := p.Place(ctx, p.s, func(job int, index uint64) {
		p.created[job] = index
		_, to := p.JobRange(job)
		p.done.Store(int64(to))
	})
	end(p.Len(), h)
	return err
}

// lookUp gets random allocations from two goroutines, and times one lookup in 64.
func (p *player) lookUp(name string, n int) error {
	const goroutines, timed = 2, 64
	end := p.startPhase(name, n)
	h, err := p.each(goroutines, func(g int, h *report.Histogram) error {
		r := rand.New(rand.NewPCG(p.Seed, uint64(g)+1))
		for k := range n / goroutines {
			id := p.ids[r.IntN(len(p.ids))]
			began := time.Time{}
			if k%timed == 0 {
				began = time.Now()
			}
			a, err := p.s.Get(id)
			if err != nil {
				return err
			}
			if k%timed == 0 {
				h.Record(time.Since(began))
				p.done.Add(timed)
			}
			if a.ID != id {
				return fmt.Errorf("get of %s returned %s", id, a.ID)
			}
		}
		return nil
	})
	end(n, h)
	return err
}

// each runs fn in n goroutines. It returns all latencies that they recorded, and their errors.
func (p *player) each(n int, fn func(g int, h *report.Histogram) error) (*report.Histogram, error) {
	histograms := make([]report.Histogram, n)
	err := program.Parallel(n, func(g int) error { return fn(g, &histograms[g]) })
	return report.Merged(histograms), err
}

// events lets every writer report the events from up to to (exclusive) of its own allocations.
func (p *player) events(ctx context.Context, name string, from, to int) error {
	n := p.Len() * (to - from)
	end := p.startPhase(name, n)
	h, err := p.each(p.writers, func(g int, h *report.Histogram) error {
		for k := from; k < to; k++ {
			for i := g; i < p.Len(); i += p.writers {
				if err := p.event(ctx, i, k, h); err != nil {
					return err
				}
			}
			p.done.Add(int64(p.Len() / p.writers))
		}
		return nil
	})
	end(n, h)
	return err
}

// event reports event k of allocation i.
func (p *player) event(ctx context.Context, i, k int, h *report.Histogram) error {
	fleet.Record(&p.states[i], i, k)
	upd := p.Update(i, &p.states[i])
	began := time.Now()
	applied, err := p.s.UpdateFromClient(ctx, upd)
	if err != nil {
		return err
	}
	h.Record(time.Since(began))
	if applied.Unchanged != 0 || len(applied.Unknown) != 0 {
		return fmt.Errorf("event %d of %s: applied as %+v", k, p.ids[i], applied)
	}
	if p.last[i] = applied.Index; k == 0 {
		p.sent[i] = began
	}
	return nil
}

// delete removes every tenth allocation.
func (p *player) delete(ctx context.Context) error {
	var tenth []int
	for i := 0; i < p.Len(); i += 10 {
		tenth = append(tenth, i)
	}
	end, h := p.startPhase("delete, in batches of 1,000", len(tenth)), new(report.Histogram)
	defer func() { end(len(tenth), h) }()
	for batch := range slices.Chunk(tenth, fleet.PerJob) {
		began := time.Now()
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
		h.Record(time.Since(began))
		p.done.Add(int64(len(batch)))
	}
	return nil
}
