package store

import (
	"fmt"

	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/watch"
)

// A groupWriter plans, commits and publishes one group of batches after the other. Its
// memory is reused from group to group. Only the committer calls it.
type groupWriter struct {
	c        *core
	plan     *plan
	removals *removals
	answers  []answer // to the batches of the group
	changes  []int    // how many of the plan's each batch has
	moved    []watch.ID
}

func newGroupWriter(c *core) *groupWriter { return &groupWriter{c: c, plan: newPlan(&c.opts)} }

// env returns the committer's environment.
func (g *groupWriter) env() commitEnv {
	return commitEnv{commit: g.commit, publish: g.publish, fail: g.fail}
}

// commit plans the batches and commits their changes with some of the removals. Batches
// that do not fit go to putBack before the commit. It returns the answers to the others,
// which are valid until the next commit. After an error the content of the disk is unknown.
func (g *groupWriter) commit(batches []*request, r *removals, putBack func(n int)) ([]answer, error) {
	st := g.c.state.Load()
	g.removals = r
	clear(g.answers)
	g.answers, g.changes = g.answers[:0], g.changes[:0]
	committed := false
	err := st.File.Update(func(tx logfile.Tx) (bool, error) {
		g.plan.begin(st, tx)
		g.plan.track(batches)
		if err := g.planAll(batches, putBack); err != nil {
			return false, err
		}
		if len(g.plan.changes) == 0 && r == nil {
			return false, nil
		}
		if err := r.apply(tx, &st.Manifest, len(g.plan.changes), g.plan.newest); err != nil {
			return false, err
		}
		st.Manifest.Last = g.plan.last
		committed = true
		return true, st.Manifest.Put(tx)
	})
	if committed && err == nil {
		g.c.counts.commits.Add(1)
	}
	return g.answers, err
}

// planAll plans the batches that fit, and gives the others to putBack.
func (g *groupWriter) planAll(batches []*request, putBack func(n int)) error {
	for i, r := range batches {
		if g.plan.size > maxGroupBytes {
			putBack(i)
			return nil
		}
		before := len(g.plan.changes)
		a, err := g.plan.add(r)
		if err != nil {
			return err
		}
		g.answers = append(g.answers, a)
		g.changes = append(g.changes, len(g.plan.changes)-before)
	}
	return nil
}

// publish makes the committed batches visible, and forgets the plan.
func (g *groupWriter) publish() {
	g.plan.st.Index.Commit(g.plan.last)
	g.removals.committed(g.plan.st)
	g.plan.jobs.publish()
	changes := g.plan.changes
	for _, n := range g.changes {
		if n > 0 {
			g.publishVersions(changes[:n])
			g.publishIndex(changes[:n])
		}
		changes = changes[n:]
	}
	g.plan.st.Lists.DropUnused()
	g.plan.st.FloorStored() // after the changes, which may be to lists that are empty otherwise
	g.c.tail.Wake()
	g.c.wakeSweeper()
	g.plan.reset()
}

// publishVersions puts the versions of a batch into the table and the lists.
func (g *groupWriter) publishVersions(batch []change) {
	st := g.plan.st
	var written, live int64
	for i := range batch {
		ch := &batch[i]
		written += int64(record.KeyLen + len(ch.value))
		live += ch.V.Bytes()
		if ch.Before != nil {
			live -= ch.Before.Bytes()
		}
		st.Publish(&ch.Change)
	}
	st.Size.Live.Add(live)
	st.Size.Wrote(batch[0].key.Index, len(batch), written)
}

// publishIndex raises the last index to that of a batch, and notifies the waiters.
func (g *groupWriter) publishIndex(batch []change) {
	index := batch[0].key.Index
	g.plan.st.Index.Publish(index)
	waited := lists.ClassSet(g.c.watch.Waited())
	for i := range batch {
		g.c.watch.Notify(batch[i].ID, index)
		if waited != (lists.ClassSet{}) {
			g.notifyLists(&batch[i], &waited)
		}
	}
	g.c.counts.batches.Add(1)
	g.c.counts.writes.Add(uint64(len(batch)))
}

// notifyLists notifies those who wait for a list that the change moves.
func (g *groupWriter) notifyLists(ch *change, waited *lists.ClassSet) {
	c := ch.OfLists()
	g.moved = g.plan.st.Lists.AppendMoved(g.moved[:0], &c, waited)
	for _, id := range g.moved {
		g.c.watch.Notify(id, c.Index)
	}
	if c.LeavesUnplaced() { // any list may have lost it
		g.c.watch.Broadcast(watch.Signal{Kind: watch.Changed, Index: c.Index})
	}
}

// fail forgets the plan and fails the store.
func (g *groupWriter) fail(cause error) error {
	g.plan.reset()
	return g.c.fail(fmt.Errorf("commit: %w", cause))
}
