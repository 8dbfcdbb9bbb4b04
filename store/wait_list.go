package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/watch"
)

// ListResult is the result of a wait for a list.
type ListResult struct {
	// Index is the index of the list: the newest at which a member arrived, changed or left. It is
	// at least 1, and never below the last restore or the floor of compaction. After TimedOut it is
	// the store's last index. A wait with it as MinQueryIndex misses nothing.
	Index uint64

	// Outcome is Changed, TimedOut, Restored or Compacted.
	Outcome Outcome

	// Full says that Changed has all members, not only those that changed, and Gone is nil: an
	// allocation that is not in Changed is not in the list. It is set with MinQueryIndex 0, and after
	// Restored and Compacted.
	Full bool

	// Changed has the members that arrived or changed above MinQueryIndex, each in its newest
	// version, in the order of their IDs. They are shared and must not be changed.
	Changed []*schema.Allocation

	// Gone has the allocations that left the list above MinQueryIndex and are not back, each with its
	// latest departure, in the order of the indexes. It belongs to the caller, as does the slice
	// Changed.
	Gone []Departure
}

// A Departure is an allocation that left a list.
type Departure struct {
	ID     string // in lower case
	Index  uint64
	Reason DepartureReason
}

// DepartureReason is the reason why an allocation left a list.
type DepartureReason uint8

// Reasons of departures.
const (
	// Removed: the allocation was deleted.
	Removed = DepartureReason(lists.Removed)

	// Moved: its node, its job or its evaluation is another one now.
	Moved = DepartureReason(lists.Moved)

	// Terminated: it became terminal, under NonTerminal.
	Terminated = DepartureReason(lists.Terminated)
)

var reasonNames = [...]string{Removed: "Removed", Moved: "Moved", Terminated: "Terminated"}

// String returns the reason's name.
func (r DepartureReason) String() string {
	if r >= Removed && int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("DepartureReason(%d)", uint8(r))
}

// WaitList blocks until a list changes above opts.MinQueryIndex: until a member arrives, changes or
// leaves. Changes of other lists never wake it. With MinQueryIndex 0 it returns all members at
// once. A MinQueryIndex above the last index waits for a change above it. A list that never had a
// member is empty, and a wait for it goes on until it gets one.
//
// The result shows the list at one index of the store: nothing is missing or shown twice. It has all
// members if it is Restored or Compacted. It is Compacted if MinQueryIndex is below the floor of
// compaction, which has forgotten departures. A floor that rises during the wait does not end it, but
// the result is Compacted if the floor has passed the awaited change before the reader runs.
//
// Errors: ErrInvalid for the zero Selector; ErrInvalidID for a prefix that no ID can start with;
// ctx's error as soon as ctx ends; ErrClosed; ErrFailed if the wait would block in a store that has
// failed. ErrCorrupt and ErrMutated come with the result, which lacks only the allocations that the
// error names: they are quarantined, or a caller has changed them. A wait returns the error of a
// quarantined allocation once for each of its changes, and with every full result. If its node, job and
// evaluation are unknown, it counts in every list of a node, a job or an evaluation. Running out of
// time is no error.
func (s *Store) WaitList(ctx context.Context, sel Selector, opts QueryOptions) (ListResult, error) {
	r, err := s.waitList(ctx, sel, opts)
	return *r, err
}

// waitList is WaitList with a pointer to the result. Its frames are those of a blocked reader, and
// small for the same reason as those of wait.
func (s *Store) waitList(ctx context.Context, sel Selector, opts QueryOptions) (*ListResult, error) {
	w := s.waiters.Get().(*watch.Waiter)
	var r *ListResult
	l, err := s.newListWait(w, sel, opts.MinQueryIndex)
	if err == nil {
		r, err = l.begin(ctx, opts.timeout())
	}
	for r == nil && err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-w.C():
			r, err = l.wake()
		}
	}
	s.watch.Deregister(w)
	s.waiters.Put(w)
	if r == nil {
		r = new(ListResult)
	}
	return r, err
}

// A listWait is one wait for a list.
//
// The hard part is a floor that rises while the reader is blocked: it must not end the wait, and yet
// no departure may be lost. The list's index tells that nothing has happened to it up to the
// store's last index at that time. And the signal of a change has the index of the first one since
// the reader registered. So a wait knows an index, its base, up to which the list has not changed
// since MinQueryIndex. It needs departures above its base alone, and these are forgotten only if
// the floor passes them between the signal and the look. Then the list's index does not tell of them
// either, since a list without members and departures is forgotten as a whole.
type listWait struct {
	s    *Store
	w    *watch.Waiter
	sel  Selector
	base uint64 // not below the min; 0 if that is
}

// newListWait returns a wait for a list, which has not begun.
//
//go:noinline
func (s *Store) newListWait(w *watch.Waiter, sel Selector, min uint64) (*listWait, error) {
	if err := sel.watch(w, min); err != nil {
		return nil, err
	}
	return &listWait{s, w, sel, min}, nil
}

// watch has w wait for the list. Its query, as large as all of a listWait, is gone when it returns.
//
//go:noinline
func (sel *Selector) watch(w *watch.Waiter, min uint64) error {
	var q lists.Query
	if err := sel.fill(&q); err != nil {
		return err
	}
	class, id := q.Watch()
	w.WatchClass(min, watch.Class(class), id)
	return nil
}

// begin returns the end of a wait that need not block. If there is neither a result nor an error,
// the waiter is registered and its time, d, runs.
func (l *listWait) begin(ctx context.Context, d time.Duration) (*ListResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.s.closed.Load() {
		return nil, ErrClosed
	}
	if r, err := l.result(0); r != nil || err != nil {
		return r, err
	}
	l.s.watch.ExpireAfter(l.w, d)
	return l.register()
}

// register registers the waiter and looks again; see Store.register.
func (l *listWait) register() (*ListResult, error) {
	l.s.watch.Register(l.w)
	return l.result(0)
}

// wake returns the end of a wait that has received a signal, or nil to go on waiting.
func (l *listWait) wake() (*ListResult, error) {
	signal := l.w.Signal()
	if signal.Err != nil {
		return nil, signal.Err
	}
	if signal.Kind == watch.Changed {
		l.base = max(l.base, signal.Index-1)
	}
	if r, err := l.result(l.s.kindOf(signal)); r != nil || err != nil {
		return r, err
	}
	return l.register()
}

// result returns what the wait returns, or nil to go on waiting. kind is the signal received, 0 for
// none. The last index is read before the list's: a list without a change above the base has not
// changed up to it. The list's is read before the floor, since the list may be forgotten. For the same
// reason it does not count after the signal of a change, nor at the deadline if the floor has risen
// above the base since. A floor that rose before the deadline hides nothing: a change would have sent
// its own signal.
func (l *listWait) result(kind watch.Kind) (*ListResult, error) {
	for {
		st := l.s.state.Load()
		last, mark := st.Indexes()
		index := st.Lists.Index(l.sel.list(), l.sel.variant)
		full := Outcome(0)
		switch {
		case l.w.Min() == 0:
			full = Changed
		case l.w.Min() < mark || kind == watch.Restored:
			full = Restored
		case kind == 0 && l.base < st.Lists.Floor(): // at first, or since the last look
			full = Compacted
		case kind == watch.Expired && l.base < st.Lists.Floor() && !st.Forgot().Before(l.s.watch.Deadline(l.w)):
			full = Compacted
		case kind != watch.Changed && index <= l.base:
			l.base = max(l.base, last)
			if kind == watch.Expired {
				return &ListResult{Index: l.s.atLeast(l.w.Min(), last), Outcome: TimedOut}, nil
			}
			return nil, nil
		}
		r, err := l.read(full)
		if (errors.Is(err, ErrRestored) || err != nil && l.s.state.Load() != st) && !l.s.closed.Load() {
			continue // with the new state
		}
		if r == nil && err == nil && kind == watch.Expired {
			r = &ListResult{Index: l.s.atLeast(l.w.Min(), max(last, 1)), Outcome: TimedOut}
		}
		return r, err
	}
}

// read reads the list on a snapshot. If full is an outcome, the result has it and all members. If full
// is 0, the result has the changes above the base, or is nil if there are none.
func (l *listWait) read(full Outcome) (*ListResult, error) {
	sn, err := l.s.Snapshot()
	if err != nil {
		return nil, err
	}
	defer sn.Close()
	st, err := sn.state()
	if err != nil {
		return nil, err
	}
	if full == 0 && l.w.Min() < st.Restored.Load() { // marked since the last look
		full = Restored
	}
	q, err := l.sel.query()
	if err != nil {
		return nil, err
	}
	c := listReader{sn: sn, st: st, q: &q, result: new(ListResult), reported: make(map[schema.ID]bool)}
	if full == 0 {
		c.above = l.base
	}
	gone, touched := c.since()
	if full == 0 && l.base < st.Lists.Floor() { // after the departures: the snapshot is not below the floor, the base may be
		full, c.above = Compacted, 0
		gone, touched = c.since()
	}
	c.result.Outcome, c.result.Full = cmp.Or(full, Changed), full != 0
	if err := c.read(gone, touched); err != nil {
		return nil, err
	}
	if !c.found && full == 0 {
		l.base = max(l.base, sn.index)
		return nil, nil
	}
	if full != 0 {
		c.result.Index = max(c.result.Index, st.Lists.Floor(), st.Restored.Load(), 1)
		c.result.Gone = nil
	}
	if _, err := sn.state(); err != nil { // marked meanwhile: the floor may be that of the mark
		return nil, err
	}
	return c.result, c.faults
}
