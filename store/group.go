package store

import (
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// A group is the batches of one commit. Its memory is reused from group to group. All its
// methods are called by the committer.
type group struct {
	c        *core
	plan     *plan
	outcomes []outcome
	removals *removals
}

// An outcome is the answer to one batch of the group, and its changes.
type outcome struct {
	answer
	changes int // how many of the plan's
}

func newGroup(c *core) *group { return &group{c: c, plan: newPlan(&c.opts)} }

// env returns the committer's environment.
func (g *group) env() commitEnv {
	return commitEnv{commit: g.commit, publish: g.publish, fail: g.fail}
}

// commit plans the batches and commits their changes with some of the removals. Batches
// that do not fit go to putBack before the commit. After an error the content of the disk
// is unknown.
func (g *group) commit(batches []*request, r *removals, putBack func(n int)) error {
	st := g.c.state.Load()
	g.removals = r
	committed := false
	err := st.File.Update(func(tx logfile.Tx) (bool, error) {
		g.plan.begin(st, tx)
		for i, r := range batches {
			if g.plan.size > maxGroupBytes {
				putBack(i)
				break
			}
			first := len(g.plan.changes)
			a, err := g.plan.add(r)
			if err != nil {
				return false, err
			}
			g.outcomes = append(g.outcomes, outcome{a, len(g.plan.changes) - first})
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
	return err
}

// publish makes the committed batches visible, calls answer with the answer to each, and
// forgets them.
func (g *group) publish(answer func(i int, a answer)) {
	st := g.plan.st
	g.removals.committed(st)
	g.plan.jobs.publish()
	changes := g.plan.changes
	for i := range g.outcomes {
		o := &g.outcomes[i]
		if batch := changes[:o.changes]; len(batch) > 0 {
			g.publishVersions(batch)
			g.publishIndex(batch)
		}
		changes = changes[o.changes:]
	}
	g.c.tail.wake()
	g.c.sweepLists()
	g.c.wakeSweeper()
	for i := range g.outcomes {
		answer(i, g.outcomes[i].answer)
	}
	g.reset()
}

// publishVersions puts the versions of a batch into the table and the lists.
func (g *group) publishVersions(batch []change) {
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
func (g *group) publishIndex(batch []change) {
	index := batch[0].key.Index
	g.plan.st.Index.Publish(index)
	for i := range batch {
		g.c.watch.Notify(batch[i].ID, index)
	}
	g.c.counts.batches.Add(1)
	g.c.counts.writes.Add(uint64(len(batch)))
}

// fail forgets the group and fails the store.
func (g *group) fail(cause error) error {
	g.reset()
	return g.c.fail(cause)
}

func (g *group) reset() {
	clear(g.outcomes)
	g.outcomes = g.outcomes[:0]
	g.removals = nil
	g.plan.reset()
}
