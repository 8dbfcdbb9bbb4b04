package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// A client makes one call after the other.
type client struct {
	*child
	*rand.Rand
	number, group int
	n             int // the number of calls so far
}

// id returns the number of the group's n-th allocation.
func (cl *client) id(n int) int { return cl.group*allocs + n }

func (cl *client) all() (ids []int) {
	for n := range allocs {
		ids = append(ids, cl.id(n))
	}
	return ids
}

// pick returns one of the group's allocations, hardly ever the first.
func (cl *client) pick() int {
	if cl.IntN(300) == 0 {
		return cl.id(0)
	}
	return cl.id(1 + cl.IntN(allocs-1))
}

// begin returns the line of a call that begins now.
func (cl *client) begin(op string) call {
	cl.n++
	return call{Op: op, Client: cl.number, N: cl.n, Begin: cl.now()}
}

// flight logs that a call begins.
func (cl *client) flight(c call) {
	c.Flight = true
	cl.log(c)
}

// write applies batches of a few writes.
func (cl *client) write() {
	for !cl.ended() {
		if cl.s.LastIndex() > cl.fed.Load()+feedLag {
			time.Sleep(time.Millisecond)
			continue
		}
		c := cl.begin(opWrite)
		var b store.Batch
		picked := make(map[int]bool)
		for k := range 1 + cl.IntN(3) {
			n := cl.pick()
			if picked[n] {
				continue
			}
			picked[n] = true
			w := write{ID: n, Token: fmt.Sprintf("%d.%d.%d", cl.number, cl.n, k)}
			cl.addTo(&b, &w)
			c.Writes = append(c.Writes, w)
		}
		cl.apply(c, &b)
	}
}

// apply applies the batch of a write, and logs both.
func (cl *client) apply(c call, b *store.Batch) {
	cl.flight(c)
	applied, err := cl.s.Apply(context.Background(), b)
	if c.End = cl.now(); err != nil {
		cl.fatal(cl.number, err)
	}
	c.Index = applied.Index
	for _, id := range applied.Unknown {
		c.Unknown = append(c.Unknown, numberOf(id))
	}
	if applied.Unchanged != 0 && !c.twice() { // as an insertion and a deletion in one batch
		c.Err = fmt.Sprint(applied.Unchanged, " writes are said to have changed nothing")
	}
	cl.log(c)
}

// twice reports whether the batch has two writes of an allocation.
func (c *call) twice() bool {
	for i, w := range c.Writes {
		if slices.ContainsFunc(c.Writes[:i], func(other write) bool { return other.ID == w.ID }) {
			return true
		}
	}
	return false
}

// addTo adds a write of a random kind to the batch.
func (cl *client) addTo(b *store.Batch, w *write) {
	id := idOf(w.ID)
	switch cl.IntN(15) {
	case 0, 1, 2, 3:
		w.Kind = kindUpsert
		b.Upsert(&schema.Allocation{
			ID: id, NodeID: nodeOf(w.ID), JobID: job, EvalID: "eval", Name: w.Token, ClientStatus: "pending", Job: &schema.Job{ID: job},
		})
	case 4, 5:
		w.Kind = kindClient
		b.UpdateFromClient(&schema.Allocation{ID: id, ClientStatus: "running", ClientDescription: w.Token})
	case 6:
		w.Kind, w.Token = kindDelete, ""
		b.Delete(id)
	case 7, 8:
		w.Kind = kindStatus
		b.SetClientStatus(id, "running", w.Token)
	case 9:
		w.Kind = kindDesired
		b.SetDesiredStatus(id, "run", w.Token)
	default:
		w.Kind = kindEvent
		b.AppendTaskEvent(id, task, "", schema.TaskEvent{Type: schema.TaskStarted, Time: int64(cl.n), Message: w.Token})
	}
}

// get looks allocations up.
func (cl *client) get() {
	for !cl.ended() {
		n := cl.pick()
		c := cl.begin(opGet)
		c.IDs = []int{n}
		a, err := cl.s.Get(idOf(n))
		if c.End = cl.now(); err != nil && !errors.Is(err, store.ErrNotFound) {
			cl.fatal(cl.number, err)
		}
		c.Rows = map[int]string{n: textOf(n, a)}
		cl.log(c)
		time.Sleep(cl.below(400 * time.Microsecond))
	}
}

// follow waits for one change of the allocations after the other, each time above the last
// index returned. When the child ends it goes on with short waits, until one times out.
func (cl *client) follow(ids ...int) {
	names := make([]string, len(ids))
	for i, n := range ids {
		names[i] = idOf(n)
	}
	opts := store.QueryOptions{MinQueryIndex: cl.Min[cl.number]}
	for {
		ctx, last := cl.wait, cl.wait.Err() != nil
		if opts.MaxQueryTime = time.Minute; last || cl.IntN(8) == 0 {
			opts.MaxQueryTime = cl.below(3*time.Millisecond) + 1
		}
		if last {
			ctx = context.Background()
		}
		r, ok := cl.waitFor(ctx, call{IDs: ids}, names, opts)
		if !ok {
			continue // the child ends
		}
		opts.MinQueryIndex = r.Index
		if last && r.Outcome == store.TimedOut {
			return
		}
	}
}

// waitLate waits with indexes that are long past, or yet to come. Deletions since then may
// have been forgotten.
func (cl *client) waitLate() {
	for !cl.ended() {
		last := cl.s.LastIndex()
		opts := store.QueryOptions{
			MinQueryIndex: last + 3 - cl.Uint64N(min(last+3, 4*retention)), MaxQueryTime: cl.below(2*time.Millisecond) + 1,
		}
		about := call{IDs: []int{cl.pick()}, Late: true}
		if cl.IntN(4) == 0 {
			about.IDs = cl.all()
		}
		var names []string
		for _, n := range about.IDs {
			names = append(names, idOf(n))
		}
		cl.waitFor(context.Background(), about, names, opts)
		time.Sleep(cl.below(time.Millisecond))
	}
}

// waitFor makes one wait for about's allocations. ok is false if ctx ended the wait.
func (cl *client) waitFor(ctx context.Context, about call, names []string, opts store.QueryOptions) (r store.WaitResult, ok bool) {
	c := cl.begin(opWait)
	c.IDs, c.Late, c.Min, c.Limit = about.IDs, about.Late, opts.MinQueryIndex, int64(opts.MaxQueryTime)
	cl.flight(c)
	var err error
	if len(names) == 1 {
		r, err = cl.s.Wait(ctx, names[0], opts)
	} else {
		r, err = cl.s.WaitAny(ctx, names, opts)
	}
	c.End = cl.now()
	if err != nil && ctx.Err() != nil {
		return r, false
	}
	if err != nil {
		cl.fatal(cl.number, err)
	}
	c.Index, c.Outcome, c.ID = r.Index, r.Outcome.String(), -1
	if r.ID != "" {
		c.ID = numberOf(r.ID)
		c.Rows = map[int]string{c.ID: textOf(c.ID, r.Alloc)}
		for _, one := range r.More {
			n := numberOf(one.ID)
			if _, given := c.Rows[n]; given || one.Index != r.Index || (one.Alloc == nil) != (one.Outcome == store.Deleted) {
				c.Err = fmt.Sprintf("no further result of index %d: %+v", r.Index, one)
			}
			c.Rows[n] = textOf(n, one.Alloc)
		}
	} else if r.Alloc != nil {
		c.Err = "an allocation without its ID"
	}
	cl.log(c)
	return r, true
}

// snapshots reads one snapshot after the other.
func (cl *client) snapshots() {
	for !cl.ended() {
		cl.n++
		if err := cl.child.snapshot(opSnapshot, cl.number, cl.now(), func() { time.Sleep(cl.below(10 * time.Millisecond)) }); err != nil {
			cl.fatal(cl.number, err)
		}
	}
}

// compact compacts now and then.
func (cl *client) compact() {
	for !cl.ended() {
		time.Sleep(cl.below(200 * time.Millisecond))
		if err := cl.s.Compact(context.Background()); err != nil {
			cl.fatal(cl.number, err)
		}
	}
}

// below returns a random duration below d.
func (cl *client) below(d time.Duration) time.Duration { return time.Duration(cl.Int64N(int64(d))) }
