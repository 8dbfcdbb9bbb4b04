package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// shortTasks is the number of tasks that an agent runs before the oldest one ends by
// itself.
const shortTasks = 2

// An agent runs the allocations of one node.
type agent struct {
	position
	variant
	c    *Cluster
	s    *store.Store
	id   string // of the node
	sel  store.Selector
	node int

	tasks map[int]*task // those it knows of, by allocation
	short []int         // running tasks that end by themselves, the oldest first

	sightings []sighting
	woken     []time.Duration
}

// A task is that of an allocation, as its agent knows it.
type task struct{ started, ended bool }

// A sighting is an entry of a result: a member, or a departure if it has a reason.
type sighting struct {
	alloc                int
	counted              uint64 // index that counts in the variant
	modified             uint64
	client, desired      string
	reason               store.DepartureReason
	resultFrom, resultTo uint64 // the index given to the wait, and that of its result
}

func newAgent(c *Cluster, s *store.Store, node int) *agent {
	a := &agent{c: c, s: s, id: c.nodeID(node), node: node, tasks: make(map[int]*task)}
	a.variant = variant{nonTerminal: node&1 != 0, placements: node&2 != 0}
	a.sel = a.list(a.id)
	return a
}

// run handles results until ctx ends.
func (a *agent) run(ctx context.Context) error {
	index := uint64(0)
	for {
		r, err := a.s.WaitList(ctx, a.sel, store.QueryOptions{MinQueryIndex: index})
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = a.handle(ctx, index, &r)
		}
		if err != nil {
			return fmt.Errorf("agent of %v: %w", a.sel, err)
		}
		index = r.Index
		a.seen.Store(index)
	}
}

// handle takes note of a result, and reports the starts and ends of tasks.
func (a *agent) handle(ctx context.Context, from uint64, r *store.ListResult) error {
	if err := a.shape(from, r); err != nil {
		return err
	}
	var starts, ends []int
	for _, alloc := range r.Changed {
		i, err := a.sight(from, r, alloc)
		if err != nil {
			return err
		}
		t := a.tasks[i]
		if t == nil {
			t = new(task)
			a.tasks[i] = t
			a.woken = append(a.woken, time.Since(a.c.facts[i].began))
		}
		switch stopped := alloc.DesiredStatus == schema.DesiredStatusStop; {
		case stopped && !t.ended:
			ends = append(ends, i)
		case !stopped && !t.started:
			starts = append(starts, i)
		}
	}
	for _, d := range r.Gone {
		i, ok := a.c.numbers[d.ID]
		if !ok {
			return fmt.Errorf("departure of the unknown %s", d.ID)
		}
		a.sightings = append(a.sightings, sighting{alloc: i, counted: d.Index, reason: d.Reason, resultFrom: from, resultTo: r.Index})
		if t := a.tasks[i]; d.Reason == store.Terminated && (t == nil || !t.ended) {
			ends = append(ends, i)
		}
	}
	return errors.Join(a.start(ctx, starts), a.end(ctx, append(ends, a.over()...)))
}

// shape checks a result without its entries. Its first result has no members, since the
// schedulers begin when all agents wait.
func (a *agent) shape(from uint64, r *store.ListResult) error {
	n := len(r.Changed) + len(r.Gone)
	switch {
	case r.Outcome == store.TimedOut && n == 0 && r.Index >= from:
		return nil
	case r.Outcome != store.Changed || r.Full != (from == 0) || (n == 0) != r.Full || r.Index <= from:
		return fmt.Errorf("wait from %d: %v at %d with %d members and %d departures, full: %v", from, r.Outcome, r.Index, len(r.Changed), len(r.Gone), r.Full)
	}
	return nil
}

// sight takes note of a member.
func (a *agent) sight(from uint64, r *store.ListResult, alloc *schema.Allocation) (int, error) {
	i, ok := a.c.numbers[alloc.ID]
	if !ok || alloc.NodeID != a.id {
		return 0, fmt.Errorf("%s of node %s is in the list", alloc.ID, alloc.NodeID)
	}
	s := sighting{
		alloc: i, counted: alloc.ModifyIndex, modified: alloc.ModifyIndex, client: alloc.ClientStatus, desired: alloc.DesiredStatus,
		resultFrom: from, resultTo: r.Index,
	}
	if a.placements {
		s.counted = alloc.AllocModifyIndex
	}
	a.sightings = append(a.sightings, s)
	return i, nil
}

// over returns the tasks that end now by themselves.
func (a *agent) over() []int {
	n := max(0, len(a.short)-shortTasks)
	ends := a.short[:n:n]
	a.short = a.short[n:]
	return ends
}

// start reports tasks as running.
func (a *agent) start(ctx context.Context, which []int) error {
	updates := make([]*schema.Allocation, len(which))
	for k, i := range which {
		updates[k] = a.c.running(i)
		a.tasks[i].started = true
		if f := fateOf(i); f == completes || f == fails {
			a.short = append(a.short, i)
		}
	}
	return a.report(ctx, which, isRunning, updates)
}

// end reports tasks as ended.
func (a *agent) end(ctx context.Context, which []int) error {
	updates := make([]*schema.Allocation, len(which))
	for k, i := range which {
		t := a.tasks[i]
		if t == nil { // it left the list before the agent saw it
			t = new(task)
			a.tasks[i] = t
		}
		t.ended = true
		updates[k] = a.c.ended(i, t.started)
	}
	return a.report(ctx, which, isEnded, updates)
}

// report writes the updates of some allocations in one batch.
func (a *agent) report(ctx context.Context, which []int, k kind, updates []*schema.Allocation) error {
	if len(which) == 0 {
		return nil
	}
	applied, err := a.s.UpdateFromClient(ctx, updates...)
	if err != nil {
		return err
	}
	if applied.Unchanged != 0 || len(applied.Unknown) != 0 {
		return fmt.Errorf("report of %d allocations: applied as %+v", len(which), applied)
	}
	for _, i := range which {
		a.c.note(i, k, applied.Index)
	}
	return nil
}
