package store

import (
	"context"
	"errors"
	"iter"
	"time"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/membership"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
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
// memory, however slow its reader. While it is open, compaction keeps the records that it has not
// read, and the store their departures.
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
// change on.
//
// A record does not say which lists its allocation was in. Package membership finds that out by the
// file. So a follower keeps nothing from one record to the next, and its memory is that of one chunk.
type follower struct {
	s    *Store
	q    lists.Query
	sel  Selector
	feed feed // its position in the log, and its registration as a reader
	w    *watch.Waiter

	members membership.Reader
	chunk   []ListChange
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
	if f.feed.ended(ctx) != nil || !f.skip() { // it may have caught up since
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
		st := f.feed.st
		next, err := f.read(last)
		if e := f.feed.ended(ctx); e != nil {
			return false, e
		}
		if err != nil && f.feed.st != st {
			continue // the old file is closed
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
	f.chunk, f.members = f.chunk[:0], membership.NewReader(f.feed.st, &f.q)
	next = record.FirstAfter(last)
	n, size := 0, 0
	err = f.feed.st.File.View(func(t logfile.Tx) error {
		for e, err := range t.Records(f.feed.next) {
			if err != nil || e.Key.Index > last {
				return err
			}
			if n == recordsPerRead || len(f.chunk) == feedChunk || size >= feedBytes {
				next = e.Key
				return nil
			}
			n++
			if !f.q.IDs.Has(e.ID) {
				continue
			}
			before := len(f.chunk)
			if err := f.add(t, &e); err != nil {
				return err
			}
			if len(f.chunk) > before {
				size += len(e.Value)
			}
		}
		return nil
	})
	return next, err
}

// add adds the change that the record made in the list, if it made one.
func (f *follower) add(t logfile.Tx, e *logfile.Entry) error {
	v := f.feed.st.Table.Get(&e.ID)
	left, changed, err := f.members.Effect(t, e, v)
	switch {
	case err != nil:
		return err
	case left != 0:
		f.chunk = append(f.chunk, ListChange{Index: e.Key.Index, Gone: &Departure{ID: e.ID.String(), Index: e.Key.Index, Reason: DepartureReason(left)}})
	case changed:
		a, err := f.version(t, e, v)
		if err != nil {
			return err
		}
		f.chunk = append(f.chunk, ListChange{Index: e.Key.Index, Alloc: a})
	}
	return nil
}

// version returns the allocation after the record, to be handed out.
func (f *follower) version(t logfile.Tx, e *logfile.Entry, v *state.Version) (a *schema.Allocation, err error) {
	p := e.PairAt(e.Key)
	if v != nil && v.Pair() == p {
		a = v.Current()
	}
	if a == nil {
		if a, err = f.feed.st.Assemble(t, e.ID, p); err != nil {
			return nil, err
		}
	}
	return f.s.handOut(a, nil)
}
