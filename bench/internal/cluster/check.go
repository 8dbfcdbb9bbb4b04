package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"allocstore/schema"
	"allocstore/store"
)

// Placed returns the number of allocations that were placed.
func (c *Cluster) Placed() int { return c.count(func(f *facts) bool { return f.placed != 0 }) }

// Alive returns the number of allocations that were placed and not deleted.
func (c *Cluster) Alive() int {
	return c.count(func(f *facts) bool { return f.placed != 0 && f.deleted == 0 })
}

func (c *Cluster) count(which func(*facts) bool) (n int) {
	for i := range c.facts {
		if which(&c.facts[i]) {
			n++
		}
	}
	return n
}

// Changes returns the number of changes that the members wrote.
func (c *Cluster) Changes() (n int) {
	for i := range c.facts {
		n += len(c.facts[i].moments())
	}
	return n
}

// Check compares the sightings of all members and the content of the store with the
// acknowledged writes. The store may have been reopened since.
func (c *Cluster) Check(ctx context.Context, s *store.Store) error {
	if err := c.checkStream(); err != nil {
		return err
	}
	for _, a := range c.agents {
		if err := a.check(); err != nil {
			return fmt.Errorf("agent of %v: %w", a.sel, err)
		}
	}
	if err := c.checkAllocs(s); err != nil {
		return err
	}
	return c.checkNodes(ctx, s)
}

// checkStream compares the stream with all changes. Those of a batch may be in any order.
func (c *Cluster) checkStream() error {
	if c.collector == nil {
		return nil
	}
	var want []entry
	for i := range c.facts {
		for _, m := range c.facts[i].moments() {
			want = append(want, entry{index: m.index, alloc: i, gone: m.kind == isDeleted})
		}
	}
	byIndex := func(a, b entry) int { return cmp.Compare(a.index, b.index) }
	got := c.collector.stream
	if !slices.IsSortedFunc(got, byIndex) {
		return errors.New("follow: the indexes go back")
	}
	got = slices.Clone(got)
	both := func(a, b entry) int { return cmp.Or(byIndex(a, b), cmp.Compare(a.alloc, b.alloc)) }
	slices.SortFunc(want, both)
	slices.SortFunc(got, both)
	for k := range max(len(got), len(want)) {
		if k >= len(got) || k >= len(want) || got[k] != want[k] {
			return fmt.Errorf("follow: entry %d of %d differs from the writes, which are %d", k, len(got), len(want))
		}
	}
	return nil
}

// check compares the agent's sightings with the changes of all allocations on its node.
func (a *agent) check() error {
	seen := make(map[int][]sighting)
	for _, s := range a.sightings {
		seen[s.alloc] = append(seen[s.alloc], s)
	}
	for i := range a.c.facts {
		f := &a.c.facts[i]
		if f.placed == 0 || f.node != a.node {
			if len(seen[i]) > 0 {
				return fmt.Errorf("saw %s, which is not placed there: %+v", a.c.fleet.ID(i), seen[i])
			}
			continue
		}
		if err := a.checkOne(i, seen[i]); err != nil {
			return fmt.Errorf("%s: %w; saw %+v, happened %+v", a.c.fleet.ID(i), err, seen[i], f.moments())
		}
	}
	return nil
}

// checkOne checks the sightings of one allocation. Each is of a change that counts, above
// the one before; its version is that of the result; and the last one is of the last such
// change. Changes between two results may have been seen as one.
func (a *agent) checkOne(i int, seen []sighting) error {
	f := &a.c.facts[i]
	counted := make(map[uint64]kind)
	last := uint64(0)
	for _, m := range a.counted(f) {
		counted[m.index], last = m.kind, m.index
	}
	before := uint64(0)
	for _, s := range seen {
		k, ok := counted[s.counted]
		switch {
		case !ok:
			return fmt.Errorf("sighting at %d, where nothing happened that counts", s.counted)
		case s.counted <= before:
			return fmt.Errorf("sighting at %d after one at %d", s.counted, before)
		case s.counted <= s.resultFrom || s.counted > s.resultTo:
			return fmt.Errorf("sighting at %d in a result of %d to %d", s.counted, s.resultFrom, s.resultTo)
		case s.reason != a.departure(k):
			return fmt.Errorf("sighting at %d with the departure %v, want %v", s.counted, s.reason, a.departure(k))
		case s.reason == 0 && !f.shows(i, &s):
			return fmt.Errorf("version %d has the states %s and %s", s.modified, s.desired, s.client)
		}
		before = s.counted
	}
	if before != last {
		return fmt.Errorf("the last sighting is at %d, the last change at %d", before, last)
	}
	return nil
}

// shows reports whether the states in a sighting are those of the version.
func (f *facts) shows(i int, s *sighting) bool {
	at := facts{placed: f.placed}
	found := false
	for _, m := range f.moments() {
		if m.index > s.modified {
			break
		}
		found = m.index == s.modified
		switch m.kind {
		case isStopping:
			at.stopped = m.index
		case isRunning:
			at.ran = m.index
		case isEnded:
			at.ended = m.index
		}
	}
	desired, client := at.states(i)
	return found && s.desired == desired && s.client == client
}

// states returns the desired status and the client's of an allocation.
func (f *facts) states(i int) (desired, client string) {
	if desired = schema.DesiredStatusRun; f.stopped != 0 {
		desired = schema.DesiredStatusStop
	}
	switch {
	case f.ended != 0 && fateOf(i) == fails:
		return desired, schema.ClientStatusFailed
	case f.ended != 0:
		return desired, schema.ClientStatusComplete
	case f.ran != 0:
		return desired, schema.ClientStatusRunning
	}
	return desired, schema.ClientStatusPending
}

// want returns allocation i as the store must have it.
func (c *Cluster) want(i int) *schema.Allocation {
	f := &c.facts[i]
	a := c.alloc(i, f.node)
	if f.ran != 0 {
		a.TaskStates = c.running(i).TaskStates
	}
	if f.ended != 0 && f.ran != 0 {
		a.TaskStates = c.ended(i, true).TaskStates
	}
	a.DesiredStatus, a.ClientStatus = f.states(i)
	if f.stopped != 0 {
		a.DesiredDescription = stopReason
	}
	a.CreateIndex, a.AllocModifyIndex = f.placed, max(f.placed, f.stopped)
	a.ModifyIndex = max(a.AllocModifyIndex, f.ran, f.ended)
	return a
}

// checkAllocs compares every allocation with the writes.
func (c *Cluster) checkAllocs(s *store.Store) error {
	ids := make([]string, len(c.facts))
	for i := range ids {
		ids[i] = c.fleet.ID(i)
	}
	i := 0
	var codec schema.Codec
	for got, err := range s.GetMany(ids) {
		f := &c.facts[i]
		switch alive := f.placed != 0 && f.deleted == 0; {
		case !alive && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("%s: placed at %d, deleted at %d, get: %v", ids[i], f.placed, f.deleted, err)
		case alive && err != nil:
			return err
		case alive:
			if want := c.want(i); !bytes.Equal(codec.AppendAllocation(nil, got), codec.AppendAllocation(nil, want)) {
				return fmt.Errorf("%s: stored\n%+v, want\n%+v", ids[i], got, want)
			}
		}
		i++
	}
	if i != len(ids) {
		return fmt.Errorf("get of %d allocations has %d answers", len(ids), i)
	}
	return nil
}

// checkNodes compares the lists of all nodes with the placements, and their use with the
// capacity.
func (c *Cluster) checkNodes(ctx context.Context, s *store.Store) error {
	all, live := make([]int, c.Nodes), make([]int, c.Nodes)
	for i := range c.facts {
		f := &c.facts[i]
		if f.placed == 0 || f.deleted != 0 {
			continue
		}
		all[f.node]++
		if f.stopped == 0 && f.ended == 0 {
			live[f.node]++
		}
	}
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	for node := range c.Nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.checkNode(sn, node, all[node], live[node]); err != nil {
			return err
		}
	}
	return nil
}

// checkNode checks the list of one node, which has the given lengths.
func (c *Cluster) checkNode(sn *store.Snapshot, node, all, live int) error {
	list := store.Node(c.nodeID(node))
	n := 0
	for a, err := range sn.List(list) {
		if err != nil {
			return err
		}
		if i, ok := c.numbers[a.ID]; !ok || c.facts[i].node != node || c.facts[i].placed == 0 {
			return fmt.Errorf("%v has %s", list, a.ID)
		}
		n++
	}
	total, err := sn.Len(list)
	nonTerminal, err2 := sn.Len(list.NonTerminal())
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if n != all || total != all || nonTerminal != live {
		return fmt.Errorf("%v has %d allocations, its length is %d, without the terminal ones %d; want %d, %d and %d", list, n, total, nonTerminal, all, all, live)
	}
	used, _, err := c.used(sn, node)
	if err == nil && used > c.capacity {
		err = fmt.Errorf("%v uses %d MHz of %d", list, used, c.capacity)
	}
	return err
}
