package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/watch"
)

// ListChange is one entry of a list's stream: one of Alloc and Gone, or Complete alone.
type ListChange struct {
	// Index is that of the change. In the state as of the beginning it is the member's
	// ModifyIndex, and with Complete the index of that state.
	Index uint64

	// Alloc is the member that arrived or changed, shared and read-only.
	Alloc *schema.Allocation

	// Gone is the allocation that left.
	Gone *Departure

	// Complete says that the state as of the beginning has been given.
	Complete bool
}

// Follow returns a list as a stream. With after 0 it begins with the members, in the order of
// their IDs, and a Complete; then it has every change of the list, in the order of the indexes
// and, within one, of the batch. With another after it has the changes above that index. It goes
// on with new changes until ctx ends or the caller stops.
//
// The stream is read from the log on the disk, so it survives restarts. A reader resumes with the
// index of the Complete, or with that of a change once it has received a change with a higher one: a
// batch may have several changes. A reader that resumes with a lower index receives the changes above
// that again.
//
// It blocks while there is nothing to read, holds up no writer, and keeps some hundred changes in
// memory, and the IDs of the allocations that have left the list above its position. While it is
// open, compaction keeps the records that it has not read.
//
// The sequence ends with a zero ListChange and an error: ErrInvalid for the zero Selector;
// ErrInvalidID for a prefix that no ID can start with; otherwise as that of Changes. A quarantined
// member of the state as of the beginning is ErrCorrupt in its place, and the sequence goes on if
// the caller does; at a damaged change it ends.
func (s *Store) Follow(ctx context.Context, sel Selector, after uint64) iter.Seq2[ListChange, error] {
	return func(yield func(ListChange, error) bool) {
		q, err := sel.query()
		if err == nil {
			f := follower{s: s, q: q, w: watch.NewWaiter(), sel: sel}
			err = f.run(ctx, after, yield)
		}
		if err != nil {
			yield(ListChange{}, err)
		}
	}
}

// A follower is one reader of Follow.
//
// It reads the log as a feed does, but only where the list has changed: while the list's index stays,
// it moves its position to the last index without reading. When the list changes, it reads from that
// change on. It takes the records of allocations that are in the list, or left it above the position,
// and compares the allocation before each record with the one after.
type follower struct {
	s    *Store
	q    lists.Query
	sel  Selector
	feed feed // its position in the log, and its registration as a reader
	w    *watch.Waiter

	found []logfile.Entry // the records that concern the list
	chunk []ListChange
}

// followEvery is the time after which a follower whose list does not change moves its position on, so
// that compaction need not keep the records below.
const followEvery = time.Second

// run yields until the caller stops, which returns nil, or an error ends it.
func (f *follower) run(ctx context.Context, after uint64, yield func(ListChange, error) bool) error {
	sn, err := f.s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close() // also if the caller's loop panics
	if after == 0 {
		more, err := f.yieldMembers(ctx, sn, yield)
		if !more || err != nil {
			return err
		}
		after = sn.index
	}
	f.feed = feed{c: &f.s.core, st: sn.st.Load(), after: after, next: record.FirstAfter(after)}
	f.feed.enter()
	defer f.feed.leave()
	_ = sn.Close() // it has kept compaction back until the feed entered
	if err := f.feed.mayBegin(ctx, after); err != nil {
		return err
	}
	class, id := f.q.Watch()
	for {
		f.w.WatchClass(f.feed.next.Index-1, watch.Class(class), id)
		if err := f.wait(ctx); err != nil {
			return err
		}
		if more, err := f.yieldChanges(ctx, yield); !more || err != nil {
			return err
		}
	}
}

// yieldMembers yields the members on the snapshot, and then the Complete. It returns false if the
// caller stopped.
func (f *follower) yieldMembers(ctx context.Context, sn *Snapshot, yield func(ListChange, error) bool) (more bool, err error) {
	for a, err := range sn.List(f.sel) {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err == nil:
			more = yield(ListChange{Index: a.ModifyIndex, Alloc: a}, nil)
		case errors.Is(err, ErrCorrupt):
			more = yield(ListChange{}, err)
		default:
			return false, err
		}
		if !more {
			return false, nil
		}
	}
	return yield(ListChange{Index: sn.index, Complete: true}, nil), nil
}

// wait blocks until the list has changed, or the follower has to end. Meanwhile the feed's
// position moves on.
func (f *follower) wait(ctx context.Context) error {
	for {
		if err := f.feed.ended(ctx); err != nil {
			return err
		}
		if !f.skip() {
			return nil
		}
		if err := f.s.failed(); err != nil {
			return err
		}
		f.block(ctx)
	}
}

// block blocks until the follower has to look again.
func (f *follower) block(ctx context.Context) {
	f.s.watch.ExpireAfter(f.w, followEvery)
	f.s.watch.Register(f.w)
	defer f.s.watch.Deregister(f.w)
	if !f.skip() {
		return
	}
	select {
	case <-f.w.C():
		if signal := f.w.Signal(); signal.Kind == watch.Changed { // the first change since it looked
			f.advance(record.FirstAfter(max(signal.Index, f.feed.next.Index) - 1))
		}
	case <-ctx.Done():
	case <-f.s.life.Done():
	}
}

// skip moves the feed's position to the last index, and returns true, unless the list may have changed
// above the position. The last index is read before the list's.
func (f *follower) skip() bool {
	st := f.feed.st
	last := st.Index.Last()
	if st.Lists.Index(f.q.Name, f.q.Variant) >= f.feed.next.Index && last >= f.feed.next.Index && !f.feed.next.Exhausted() {
		return false
	}
	f.advance(record.FirstAfter(max(last, f.feed.next.Index-1)))
	return true
}

// advance moves the feed's position, and lets compaction follow.
func (f *follower) advance(to record.Key) {
	f.feed.next = to
	f.feed.reenter()
}

// yieldChanges reads the log up to the last index and yields the changes of the list. It returns false
// if the caller stopped.
func (f *follower) yieldChanges(ctx context.Context, yield func(ListChange, error) bool) (more bool, err error) {
	last := f.feed.st.Index.Last()
	for f.feed.next.Index <= last && !f.feed.next.Exhausted() {
		next, err := f.read(last)
		if e := f.feed.ended(ctx); e != nil {
			return false, e
		}
		for _, ch := range f.chunk {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if !yield(ch, nil) {
				return false, nil
			}
		}
		if err != nil {
			return false, err
		}
		f.advance(next)
	}
	return true, nil
}

// recordsPerRead bounds the records that a reader of a list reads in one transaction.
const recordsPerRead = 1024

// read fills the chunk with the changes in the next records, up to the index last, and returns
// where to go on.
func (f *follower) read(last uint64) (next record.Key, err error) {
	f.chunk = f.chunk[:0]
	err = f.feed.st.File.View(func(t logfile.Tx) error {
		var fault error // of the record after those that were found
		next, fault = f.entries(t, last)
		size := 0
		for i := range f.found {
			e := &f.found[i]
			if len(f.chunk) >= feedChunk || size >= feedBytes {
				next = e.Key
				return nil
			}
			size += len(e.Value)
			if err := f.add(t, e); err != nil {
				return err
			}
		}
		return fault
	})
	f.found = f.found[:0] // they alias the file
	return next, err
}

// entries finds the next records of allocations that are in the list or have left it above the
// position, and returns where to go on. The departures are read after the members: a member may
// leave meanwhile, and is among the departures then.
func (f *follower) entries(t logfile.Tx, last uint64) (next record.Key, err error) {
	st, n := f.feed.st, 0
	member := make(map[schema.ID]bool)
	next, f.found = record.FirstAfter(last), f.found[:0]
	var e logfile.Entry
	for e, err = range t.Records(f.feed.next) {
		if err != nil || e.Key.Index > last {
			break
		}
		if n == recordsPerRead {
			next = e.Key
			break
		}
		n++
		if f.q.IDs.Has(e.ID) {
			f.found = append(f.found, e)
			member[e.ID] = st.Lists.Has(f.q.Name, e.ID)
		}
	}
	gone, _ := st.Lists.Since(&f.q, f.feed.next.Index-1, math.MaxUint64)
	for _, d := range gone {
		member[d.ID] = true
	}
	f.found = slices.DeleteFunc(f.found, func(e logfile.Entry) bool { return !member[e.ID] })
	return next, err
}

// add adds the change that the record made in the list, if it made one.
func (f *follower) add(t logfile.Tx, e *logfile.Entry) error {
	after, err := f.version(t, e.ID, e.PairAt(e.Key))
	if err != nil {
		return err
	}
	var left lists.Reason // 0: it did not leave
	var changed bool      // it arrived, or changed in the list
	before, err := f.before(t, e)
	switch {
	case err == nil:
		left, changed = f.compare(before, after)
	case errors.Is(err, ErrCorrupt):
		left, changed = f.remembered(e, after)
	default:
		return err
	}
	switch {
	case left != 0:
		f.chunk = append(f.chunk, ListChange{Index: e.Key.Index, Gone: &Departure{ID: e.ID.String(), Index: e.Key.Index, Reason: DepartureReason(left)}})
	case changed:
		if after, err = f.s.handOut(after, nil); err != nil {
			return err
		}
		f.chunk = append(f.chunk, ListChange{Index: e.Key.Index, Alloc: after})
	}
	return nil
}

// compare returns the reason why the allocation left the list, 0 if it did not, and whether it arrived
// or changed in it.
func (f *follower) compare(before, after *schema.Allocation) (left lists.Reason, changed bool) {
	was, is := f.q.Holds(before), f.q.Holds(after)
	switch {
	case is:
		return 0, !was || f.counts(before, after)
	case !was:
		return 0, false
	case after == nil:
		return lists.Removed, false
	case !f.q.Name.Holds(after):
		return lists.Moved, false
	}
	return lists.Terminated, false
}

// remembered is compare if the allocation before cannot be read: the history of the list tells the
// effect of the record. So a stream passes the deletion of a quarantined allocation.
func (f *follower) remembered(e *logfile.Entry, after *schema.Allocation) (left lists.Reason, changed bool) {
	gone, touches := f.feed.st.Lists.Since(&f.q, e.Key.Index-1, e.Key.Index)
	of := func(d lists.Departure) bool { return d.ID == e.ID }
	if f.q.Holds(after) {
		return 0, !f.q.Placements() || after.AllocModifyIndex == after.ModifyIndex || slices.ContainsFunc(touches, of)
	}
	if i := slices.IndexFunc(gone, of); i >= 0 {
		left = gone[i].Reason
	}
	return left, false
}

// counts reports whether a change of a member that stays counts as a change of the list.
func (f *follower) counts(before, after *schema.Allocation) bool {
	return !f.q.Placements() || after.AllocModifyIndex == after.ModifyIndex ||
		after.NextAllocation != "" && after.NextAllocation != before.NextAllocation
}

// version returns the allocation that p locates, nil for a tombstone.
func (f *follower) version(t logfile.Tx, id schema.ID, p record.Pair) (*schema.Allocation, error) {
	if v := f.feed.st.Table.Get(&id); v != nil && v.Pair() == p {
		if a := v.Current(); a != nil {
			return a, nil
		}
	}
	return f.feed.st.Assemble(t, id, p)
}

// before returns the allocation before the record, nil if it did not exist. If the record inserts
// it, compaction may have removed the version before, a tombstone.
func (f *follower) before(t logfile.Tx, e *logfile.Entry) (*schema.Allocation, error) {
	if e.Prev == (record.Pair{}) {
		return nil, nil
	}
	a, err := f.version(t, e.ID, e.Prev)
	inserts := e.Flags&record.FlagSched != 0 && e.Created == e.Key.Index
	if err != nil && inserts && e.Prev.Newest().Index <= f.feed.st.Floor.Load() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("before record %v: %w", e.Key, err)
	}
	return a, nil
}
