package store

import (
	"errors"
	"fmt"

	"allocstore/store/internal/compaction"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// A groupWriter plans, commits and publishes one group of batches after the other. Its
// memory is reused from group to group. Only the committer calls it.
type groupWriter struct {
	c        *core
	st       *state.State // of the group; nil between groups
	plan     *plan.Plan
	removals *compaction.Removals
	answers  []answer   // to the batches of the group
	steps    []step     // one for each batch
	affected []watch.ID // of the lists of one change
}

// A step is what one batch of a group changes.
type step struct {
	changes int    // how many of the plan's
	mark    uint64 // the index of a mark, or 0
}

func newGroupWriter(c *core) *groupWriter { return &groupWriter{c: c, plan: plan.New()} }

// env returns the committer's environment.
func (g *groupWriter) env() commitEnv {
	return commitEnv{commit: g.commit, publish: g.publish, fail: g.fail}
}

// commit plans the batches and commits their changes with some of the removals. Batches
// that do not fit go to putBack before the commit. It returns the answers to the others,
// which are valid until the next commit. After an error the content of the disk is unknown.
func (g *groupWriter) commit(batches []*request, r *compaction.Removals, putBack func(n int)) ([]answer, error) {
	st := g.c.state.Load()
	g.st, g.removals = st, r
	clear(g.answers)
	g.answers, g.steps = g.answers[:0], g.steps[:0]
	committed := false
	err := st.File.Update(func(tx logfile.Tx) (bool, error) {
		g.plan.Begin(st, tx)
		for _, queued := range batches {
			g.plan.Track(queued.conditions())
		}
		if err := g.planAll(batches, putBack); err != nil {
			return false, err
		}
		marked := g.plan.Restored() != st.Restored.Load()
		if len(g.plan.Changes()) == 0 && r == nil && !marked {
			return false, nil
		}
		if err := r.Apply(tx, &st.Manifest, len(g.plan.Changes()), g.plan.Newest); err != nil {
			return false, err
		}
		st.Manifest.Last = g.plan.Last()
		st.Manifest.SetApplied(g.plan.Applied(), g.plan.Kept())
		committed = true
		if marked {
			st.Manifest.Floor, st.Manifest.Restored = g.plan.Restored(), g.plan.Restored()
			if err := st.Manifest.PutMarks(tx); err != nil {
				return false, err
			}
		}
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
		if g.plan.Size() > maxGroupBytes {
			putBack(i)
			return nil
		}
		before := len(g.plan.Changes())
		a, mark, err := g.planOne(r)
		if err != nil {
			return err
		}
		g.answers = append(g.answers, a)
		g.steps = append(g.steps, step{len(g.plan.Changes()) - before, mark})
	}
	return nil
}

// planOne plans a batch or an entry. mark is the index of a mark, or 0. After err the group cannot be
// committed.
func (g *groupWriter) planOne(r *request) (a answer, mark uint64, err error) {
	e := r.entry
	if e == nil {
		a, err = g.planBatch(r, &plan.Batch{Limits: g.c.opts.limits()})
		return a, 0, err
	}
	switch {
	case e.call.err != nil: // an earlier entry has ended the call
		return answer{err: e.call.err}, 0, nil
	case e.index <= g.plan.Applied():
		return answer{skipped: true}, 0, nil
	case e.fault != nil:
		g.plan.SetApplied(e.index, e.floor)
		a = answer{err: e.fault, refused: true}
	case e.mark:
		mark = e.index
		a.err, err = g.plan.Mark(e.index, e.floor)
		a.applied.Index = e.index
	case r.batch == nil:
		g.plan.SetApplied(e.index, e.floor)
		a.applied.Index = g.plan.Last()
	default:
		a, err = g.planBatch(r, &plan.Batch{Limits: e.limits, Entry: true, Floor: e.floor})
		a.refused = a.err != nil
	}
	if plan.LocalFault(a.err) {
		e.call.err = a.err
		a, mark = answer{err: a.err}, 0
		if g.c.opts.Replicated && errors.Is(a.err, ErrCorrupt) {
			err = a.err
		}
	}
	return a, mark, err
}

// planBatch plans the batch of a request as b, which it completes.
func (g *groupWriter) planBatch(r *request, b *plan.Batch) (answer, error) {
	b.Ops, b.Conditions, b.At = r.batch.ops, r.batch.conditions.all, r.at
	a, refused, err := g.plan.Add(b)
	return answer{applied: Applied(a), err: r.batch.refusal(refused)}, err
}

// publish makes the committed batches visible, and forgets the plan.
func (g *groupWriter) publish() {
	g.st.Index.Commit(g.plan.Last())
	g.removals.Committed(g.st)
	g.plan.PublishJobs()
	changes := g.plan.Changes()
	for _, s := range g.steps {
		if s.changes > 0 {
			g.publishVersions(changes[:s.changes])
			g.publishIndex(changes[:s.changes])
		}
		if s.mark > 0 {
			g.publishMark(s.mark)
		}
		changes = changes[s.changes:]
	}
	g.st.Lists.DropUnused()
	g.st.FloorStored() // after the changes: it removes empty lists, and these may fill one
	g.st.SetApplied(g.plan.Applied(), g.plan.Kept())
	g.c.applied.Raise(g.plan.Applied())
	g.c.tail.Wake()
	compaction.Wake(g.st, g.c.sweepDue)
	g.reset()
}

// publishMark makes the mark of a restore visible, in the order that core has. The sweeper may be
// raising the floor.
func (g *groupWriter) publishMark(index uint64) {
	g.c.readers.WithOldest(index, func(uint64) { g.st.Floor.Store(index) })
	g.st.Restored.Store(index)
	g.st.PublishIndex(index, 0)
	g.c.watch.Broadcast(watch.Signal{Kind: watch.Restored, Index: index})
}

// reset forgets the group.
func (g *groupWriter) reset() {
	g.st = nil
	g.plan.Reset()
}

// publishVersions puts the versions of a batch into the table and the lists.
func (g *groupWriter) publishVersions(batch []plan.Change) {
	g.st.Begun.Store(batch[0].Key.Index)
	var written, live int64
	for i := range batch {
		ch := &batch[i]
		written += int64(record.KeyLen + len(ch.Value))
		live += ch.V.Bytes()
		if ch.Before != nil {
			live -= ch.Before.Bytes()
		}
		g.st.Publish(&ch.Change)
	}
	g.st.Size.Live.Add(live)
	g.st.Size.Wrote(batch[0].Key.Index, len(batch), written)
}

// publishIndex raises the last index to that of a batch, and notifies the waiters.
func (g *groupWriter) publishIndex(batch []plan.Change) {
	index := batch[0].Key.Index
	digest := uint64(0)
	for i := range batch {
		digest += batch[i].Digest
	}
	g.st.PublishIndex(index, digest)
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

// notifyLists notifies the waiters of the lists that the change affects, if their class is in waited.
func (g *groupWriter) notifyLists(ch *plan.Change, waited *lists.ClassSet) {
	c := ch.OfLists()
	g.affected = g.st.Lists.AppendAffected(g.affected[:0], &c, waited)
	for _, id := range g.affected {
		g.c.watch.Notify(id, c.Index)
	}
	if c.LeavesUnplaced() { // any list may have lost it
		g.c.watch.Broadcast(watch.Signal{Kind: watch.Changed, Index: c.Index})
	}
}

// fail forgets the plan and fails the store.
func (g *groupWriter) fail(cause error) error {
	g.reset()
	return g.c.fail(fmt.Errorf("commit: %w", cause))
}
