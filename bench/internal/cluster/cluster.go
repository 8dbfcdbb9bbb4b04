package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

// Slots is the number of allocations that a node has room for.
const Slots = 8

// Config is the size of a cluster.
type Config struct {
	Sample     string // the file of the documented allocation
	Seed       uint64
	Nodes      int
	Allocs     int // to place
	Schedulers int
}

// A Cluster holds the state that the store must have, and all that its members saw.
type Cluster struct {
	Config
	fleet    *fleet.Fleet
	job      *schema.Job
	capacity int            // of a node, in MHz
	numbers  map[string]int // of the allocations, by ID
	facts    []facts        // by allocation

	agents    []*agent
	collector *collector
}

// facts are the indexes that the store returned to the writes of an allocation, or 0. Each
// has one writer.
type facts struct {
	node  int
	began time.Time // of the call that placed it

	placed, stopped uint64 // by a scheduler
	ran, ended      uint64 // by the agent
	deleted         uint64 // by the collector
}

// New returns a cluster without placements.
func New(c Config) (*Cluster, error) {
	f, err := fleet.New(c.Sample, c.Allocs, c.Seed+1<<40)
	if err != nil {
		return nil, err
	}
	cl := &Cluster{Config: c, fleet: f, numbers: make(map[string]int, c.Allocs), facts: make([]facts, c.Allocs)}
	for i := range c.Allocs {
		cl.numbers[f.ID(i)] = i
	}
	first := f.Alloc(0)
	cl.job = first.Job.Clone()
	cl.job.ID, cl.job.Name = "cluster", "cluster"
	cl.capacity = Slots * first.Resources.CPU
	return cl, nil
}

// nodeID returns the ID of a node of the cluster.
func (c *Cluster) nodeID(node int) string { return c.fleet.NodeID(fleet.Nodes + node) }

// alloc returns allocation i as a scheduler places it on a node.
func (c *Cluster) alloc(i, node int) *schema.Allocation {
	a := c.fleet.Alloc(i)
	a.NodeID, a.Job, a.JobID = c.nodeID(node), c.job, c.job.ID
	a.Name = fmt.Sprintf("%s.%s[%d]", a.JobID, a.TaskGroup, i)
	return a
}

// A Result is the measurement of a run.
type Result struct {
	Placing, Waking *report.Timing
	Placed          *report.Histogram // latencies of placing an evaluation, conflicts included
	Woken           *report.Histogram // from the call of the placement to the agent awake
	Batches         int               // that placed
	Conflicts       int
}

// Run plays the cluster in an open store in which nothing else waits. It returns when all
// is placed, and the agents and the collector have handled all of it.
func (c *Cluster) Run(ctx context.Context, s *store.Store) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var members sync.WaitGroup
	var failure firstError
	member := func(run func(context.Context) error) {
		members.Go(func() {
			if err := run(ctx); err != nil && failure.set(err) {
				cancel()
			}
		})
	}
	c.collector = &collector{c: c, s: s}
	member(c.collector.run)
	for node := range c.Nodes {
		a := newAgent(c, s, node)
		c.agents = append(c.agents, a)
		member(a.run)
	}
	r := &Result{Placing: report.Start("place on conditions, agents waiting"), Waking: report.Start("agents awake, since the call"), Placed: new(report.Histogram), Woken: new(report.Histogram)}
	err := waiting(s, c.Nodes+1)
	if err == nil {
		err = c.schedule(ctx, s, r)
	}
	if err == nil {
		err = c.settle(ctx, s)
	}
	cancel()
	members.Wait()
	for _, a := range c.agents {
		for _, took := range a.woken {
			r.Woken.Record(took)
		}
	}
	return r, errors.Join(failure.err, err)
}

// waiting waits until n readers are blocked.
func waiting(s *store.Store, n int) error {
	if got, ok := program.Await(n, program.Patience, func() int { return s.Stats().Waiters }); !ok {
		return fmt.Errorf("%d of %d agents and collectors wait, and no more for %v", got, n, program.Patience)
	}
	return nil
}

// A firstError keeps the first error that it is given.
type firstError struct {
	once sync.Once
	err  error
}

// set reports whether err is the first.
func (f *firstError) set(err error) (first bool) {
	f.once.Do(func() { f.err, first = err, true })
	return first
}

// schedule places all allocations, perEvaluation at a time.
func (c *Cluster) schedule(ctx context.Context, s *store.Store, r *Result) error {
	var next atomic.Int64
	schedulers := make([]*scheduler, c.Schedulers)
	err := program.Parallel(c.Schedulers, func(g int) error {
		schedulers[g] = newScheduler(c, s, g)
		return schedulers[g].run(ctx, &next)
	})
	for _, sc := range schedulers {
		r.Placed.Merge(&sc.latencies)
		r.Batches += sc.batches
		r.Conflicts += sc.conflicts
	}
	return err
}

// A position has the index up to which a member must see, and the one up to which it has
// seen and handled all.
type position struct{ need, seen atomic.Uint64 }

// reach raises the index up to which the member must see.
func (p *position) reach(index uint64) {
	for old := p.need.Load(); old < index && !p.need.CompareAndSwap(old, index); old = p.need.Load() {
	}
}

func (p *position) done() bool { return p.seen.Load() >= p.need.Load() }

// settle waits until all members have seen all that they must. A member notes its own
// writes before its position moves, so two looks at one index suffice.
func (c *Cluster) settle(ctx context.Context, s *store.Store) error {
	found, ok := program.Await(2*(c.Nodes+1), program.Patience, func() int {
		if ctx.Err() != nil {
			return 2 * (c.Nodes + 1)
		}
		last := s.LastIndex()
		n := c.settled() + c.settled()
		if s.LastIndex() != last {
			return 0
		}
		return n
	})
	if ok {
		return ctx.Err()
	}
	for _, a := range c.agents {
		if !a.done() {
			return fmt.Errorf("%v: the agent's result is of index %d, and its list moved at %d", a.sel, a.seen.Load(), a.need.Load())
		}
	}
	return fmt.Errorf("%d of %d members are up to date, the collector at %d of %d", found/2, c.Nodes+1, c.collector.seen.Load(), c.collector.need.Load())
}

// settled counts the members that have seen all.
func (c *Cluster) settled() (n int) {
	for _, a := range c.agents {
		if a.done() {
			n++
		}
	}
	if c.collector.done() {
		n++
	}
	return n
}
