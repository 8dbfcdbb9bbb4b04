package histories

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// Clients of the history of nodes.
const (
	schedulers  = 4
	nodeClients = 2
)

// Nodes of a fixed capacity. The clients revive an allocation of the last node without looking: that
// node may be over its capacity, though no scheduler may place there then. It has allocations of
// its own.
const (
	capacity  = 4
	nodeCount = 4
	rough     = nodeCount - 1

	careful = 36 // allocations of the other nodes
	pool    = careful + 14
)

// conflict is the outcome of a write whose condition did not hold.
const conflict = "conflict"

// nodeLists are the lists that the schedulers expect not to have changed.
var nodeLists = func() (all []list) {
	for n := range nodeCount {
		name := nodeOf(n)
		all = append(all, variants(store.Node(name), func(m *member) bool { return m.Node == name })[3])
	}
	return all
}()

// nodes is the work of a child in the history of nodes.
func (c *child) nodes(begin int64) error {
	if err := c.members(opOpen, begin, nodeLists); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	feeding, fed := context.WithCancel(context.Background())
	defer fed()
	var feed, writing sync.WaitGroup
	feed.Go(func() { c.feedMembers(feeding, listFeed) })
	for n := range schedulers {
		writing.Go(c.client(n, 0).schedule)
	}
	for n := range nodeClients {
		writing.Go(c.client(schedulers+n, 0).report)
	}
	writing.Go(c.client(listCompactor, 0).compact)
	if c.Length == 0 {
		select {} // until it is killed
	}
	time.Sleep(c.Length)
	close(c.stop)
	writing.Wait()
	for last := c.s.LastIndex(); c.fed.Load() < last; {
		time.Sleep(time.Millisecond)
	}
	fed()
	feed.Wait()
	return errors.Join(c.members(opEnd, c.now(), nodeLists), c.check(), c.s.Close())
}

// A decision is a write that depends on a snapshot.
type decision struct {
	*client
	sn    *store.Snapshot
	c     call // the write
	b     store.Batch
	taken map[int]bool // the allocations that it writes
}

// decide calls fn with a snapshot, and applies the batch that fn makes.
func (cl *client) decide(nodes []int, fn func(d *decision, alive [][]member)) {
	if cl.s.LastIndex() > cl.fed.Load()+feedLag {
		time.Sleep(time.Millisecond)
		return
	}
	begin := cl.now()
	sn, err := cl.s.Snapshot()
	if err != nil {
		cl.fatal(cl.number, err)
	}
	end := cl.now()
	var alive [][]member
	for _, n := range nodes {
		all, err := cl.list(sn, nodeLists[n].Selector)
		if err != nil {
			cl.fatal(cl.number, err)
		}
		r := cl.begin(opRead)
		r.Begin, r.End, r.List, r.Index, r.Members = begin, end, n, sn.Index(), all
		cl.log(r)
		alive = append(alive, all)
	}
	d := &decision{client: cl, sn: sn, c: cl.begin(opWrite), taken: make(map[int]bool)}
	fn(d, alive)
	_ = sn.Close()
	if len(d.c.Writes) > 0 {
		d.apply()
	}
}

// apply applies the batch, and logs the conflict that it may end in.
func (d *decision) apply() {
	for _, cond := range d.c.If {
		if cond.ID >= 0 {
			d.b.Expect(idOf(cond.ID), cond.Index)
		} else {
			d.b.ExpectList(nodeLists[cond.List].Selector, cond.Index)
		}
	}
	d.c.Begin = d.now()
	d.flight(d.c)
	applied, err := d.s.Apply(context.Background(), &d.b)
	d.c.End, d.c.Index = d.now(), applied.Index
	var e *store.ConflictError
	switch {
	case errors.As(err, &e) && errors.Is(err, store.ErrConflict):
		d.c.Outcome, d.c.Index, d.c.Failed = conflict, e.Actual, condition{-1, -1, e.Expected}
		if e.ID != "" {
			d.c.Failed.ID, d.c.Failed.List = numberOf(e.ID), 0
		} else {
			d.c.Failed.List = slices.IndexFunc(nodeLists, func(l list) bool { return l.Selector == e.List })
		}
	case err != nil:
		d.fatal(d.number, err)
	}
	for _, id := range applied.Unknown {
		d.c.Unknown = append(d.c.Unknown, numberOf(id))
	}
	d.log(d.c)
}

// schedule fills nodes, and moves and deletes allocations.
func (cl *client) schedule() {
	for !cl.ended() {
		nodes := cl.Perm(nodeCount)[:1+cl.IntN(2)]
		cl.decide(nodes, func(d *decision, alive [][]member) {
			if len(nodes) == 2 && cl.IntN(3) == 0 && !slices.Contains(nodes, rough) {
				d.move(alive[0], nodes[1], capacity-len(alive[1]))
				return
			}
			if cl.IntN(12) == 0 && len(alive[0]) > 0 {
				d.remove(alive[0][cl.IntN(len(alive[0]))].ID)
				return
			}
			for i, n := range nodes {
				d.fill(n, capacity-len(alive[i]))
			}
		})
		time.Sleep(cl.below(2 * time.Millisecond))
	}
}

// expectList makes the decision depend on a node.
func (d *decision) expectList(n int) {
	d.c.If = append(d.c.If, condition{-1, n, d.sn.Index()})
}

// place places an allocation that is at an index, 0 for a new one.
func (d *decision) place(id, n int, index uint64) {
	d.taken[id] = true
	w := write{Kind: kindUpsert, ID: id, Node: n, Token: d.token()}
	d.b.Upsert(&schema.Allocation{ID: idOf(id), Name: w.Token, NodeID: nodeOf(n), JobID: job, EvalID: "eval", Job: &schema.Job{ID: job}, ClientStatus: "pending", DesiredStatus: "run"})
	d.c.Writes = append(d.c.Writes, w)
	d.c.If = append(d.c.If, condition{id, 0, index})
}

// token returns a text for the next write.
func (d *decision) token() string {
	return fmt.Sprintf("%d.%d.%d", d.number, d.c.N, len(d.c.Writes))
}

// fill places up to a few new allocations on a node with so much room.
func (d *decision) fill(n, room int) {
	if room <= 0 {
		return
	}
	var free []int
	for id := range pool {
		if _, err := d.sn.Get(idOf(id)); (id >= careful) == (n == rough) && !d.taken[id] && errors.Is(err, store.ErrNotFound) {
			free = append(free, id)
		}
	}
	d.Shuffle(len(free), func(i, k int) { free[i], free[k] = free[k], free[i] })
	if free = free[:min(len(free), 1+d.IntN(min(room, 2)))]; len(free) > 0 {
		d.expectList(n)
	}
	for _, id := range free {
		d.place(id, n, 0)
	}
}

// move moves one of the allocations to a node with so much room.
func (d *decision) move(from []member, to, room int) {
	if room <= 0 || len(from) == 0 {
		return
	}
	m := from[d.IntN(len(from))]
	d.expectList(to)
	d.place(m.ID, to, m.Modify)
}

func (d *decision) remove(id int) {
	d.c.Writes = append(d.c.Writes, write{Kind: kindDelete, ID: id})
	d.b.Delete(idOf(id))
}

// status sets a client's status.
func (d *decision) status(id int, alive bool) {
	w := write{Kind: kindStatus, ID: id, Token: d.token(), Alive: alive}
	status := "complete"
	if alive {
		status = "running"
	}
	d.b.SetClientStatus(idOf(id), status, w.Token)
	d.c.Writes = append(d.c.Writes, w)
}

// report ends and revives allocations, and deletes some that have ended.
func (cl *client) report() {
	for !cl.ended() {
		n := cl.IntN(nodeCount)
		cl.decide([]int{n}, func(d *decision, alive [][]member) {
			all, err := cl.list(d.sn, store.Node(nodeOf(n)))
			if err != nil {
				cl.fatal(cl.number, err)
			}
			if len(all) == 0 {
				return
			}
			m := all[cl.IntN(len(all))]
			switch {
			case !m.terminal():
				d.status(m.ID, cl.IntN(3) == 0)
			case cl.IntN(3) == 0:
				d.remove(m.ID)
			case n == rough:
				d.status(m.ID, true)
			case len(alive[0]) < capacity:
				d.expectList(n)
				d.c.If = append(d.c.If, condition{m.ID, 0, m.Modify})
				d.status(m.ID, true)
			}
		})
		time.Sleep(cl.below(time.Millisecond))
	}
}
