package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"allocstore/schema"
	"allocstore/watch"
)

// Bounds of QueryOptions.MaxQueryTime.
const (
	// DefaultMaxQueryTime is how long a wait lasts at most when nothing is said.
	DefaultMaxQueryTime = 5 * time.Minute

	// LongestMaxQueryTime is what a longer one is cut to.
	LongestMaxQueryTime = 10 * time.Minute

	// jitterShare is the inverse of how much of the time is added at random at
	// the most, so that readers who began together do not all come back together.
	jitterShare = 16
)

// QueryOptions say what a wait waits for, and how long.
type QueryOptions struct {
	// MinQueryIndex is an index that the caller has seen: the wait is for a
	// change above it. 0 does not wait.
	MinQueryIndex uint64

	// MaxQueryTime bounds the wait. 0 or less means 5 minutes, more than 10
	// minutes mean 10; up to a sixteenth is added at random.
	MaxQueryTime time.Duration
}

// timeout is how long a wait lasts at most, this time.
func (o *QueryOptions) timeout() time.Duration {
	d := o.MaxQueryTime
	if d <= 0 {
		d = DefaultMaxQueryTime
	}
	d = min(d, LongestMaxQueryTime)
	if spread := d / jitterShare; spread > 0 {
		d += rand.N(spread)
	}
	return d
}

// Outcome is why a wait returned.
type Outcome uint8

// Outcomes of a wait.
const (
	// Changed: the allocation is there, and changed above MinQueryIndex.
	Changed Outcome = iota + 1

	// Deleted: it was deleted above MinQueryIndex, before or during the wait.
	Deleted

	// NotFound: MinQueryIndex was 0 and the store has never held the ID.
	NotFound

	// TimedOut: nothing changed in time. The result is what there is.
	TimedOut

	// Restored: the store was restored from a backup, above MinQueryIndex. The
	// result is what there is now.
	Restored

	// Compacted: the ID is absent, and whether it was deleted above MinQueryIndex
	// is no longer known.
	Compacted
)

var outcomeNames = [...]string{Changed: "Changed", Deleted: "Deleted", NotFound: "NotFound", TimedOut: "TimedOut", Restored: "Restored", Compacted: "Compacted"}

// String returns the outcome's name.
func (o Outcome) String() string {
	if o >= Changed && int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// WaitResult is what a wait returns.
type WaitResult struct {
	// Alloc is the allocation, shared and read-only, or nil if there is none.
	Alloc *schema.Allocation

	// ID is the ID that the result is about, in lower case. It is "" when a wait
	// for several timed out.
	ID string

	// Index is the allocation's ModifyIndex, or the index of its deletion, or for
	// an ID that is absent the store's last index. It is never 0 and never below
	// the last restore. Given back as the next MinQueryIndex it misses nothing.
	Index uint64

	Outcome Outcome
}

// Wait blocks until the allocation changes at an index above
// opts.MinQueryIndex, or is deleted above it, or time runs out. Writes to other
// allocations never wake it. An ID that was never seen is waited for until it is
// placed. With MinQueryIndex 0 Wait returns at once what there is.
//
// Errors: ErrInvalidID; ctx's error as soon as ctx ends; ErrClosed and ErrFailed
// if the wait would have to go on in a store that is so. Running out of time is
// no error.
func (s *Store) Wait(ctx context.Context, id string, opts QueryOptions) (WaitResult, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return WaitResult{}, err
	}
	ids := [1]schema.ID{parsed}
	return s.wait(ctx, ids[:], opts)
}

// WaitAny is Wait on several allocations: it returns the first change, which is
// the one with the lowest index where there are several. Given back as the next
// MinQueryIndex, with the same IDs, the index misses no other allocation's
// latest change. With MinQueryIndex 0 it returns the first ID's state. When it
// times out with several IDs there is no allocation in the result.
//
// No ID at all is ErrInvalidID.
func (s *Store) WaitAny(ctx context.Context, ids []string, opts QueryOptions) (WaitResult, error) {
	parsed := make([]schema.ID, len(ids))
	for i, id := range ids {
		var err error
		if parsed[i], err = schema.ParseID(id); err != nil {
			return WaitResult{}, fmt.Errorf("ID %d of %d: %w", i, len(ids), err)
		}
	}
	if len(parsed) == 0 {
		return WaitResult{}, fmt.Errorf("%w: no ID to wait for", ErrInvalidID)
	}
	return s.wait(ctx, parsed, opts)
}

// wait returns at once what there is to return, and otherwise blocks.
func (s *Store) wait(ctx context.Context, ids []schema.ID, opts QueryOptions) (WaitResult, error) {
	if err := ctx.Err(); err != nil {
		return WaitResult{}, err
	}
	if s.closed.Load() {
		return WaitResult{}, ErrClosed
	}
	if opts.MinQueryIndex == 0 {
		return s.result(s.look(ids[0]))
	}
	if st, ok := s.first(ids, opts.MinQueryIndex); ok {
		return s.result(st)
	}
	w := s.waiters.Get().(*watch.Waiter)
	timer := time.NewTimer(opts.timeout())
	r, err := s.block(ctx, w, timer.C, ids, opts.MinQueryIndex)
	timer.Stop()
	s.watch.Deregister(w)
	s.waiters.Put(w)
	return r, err
}

// block registers, looks again, and blocks, until a look finds something. The look
// after the registration is what makes sure: what was published before it is seen
// by it, what is published after it is notified to the waiter; see package watch.
//
// A waiter that was woken may find that the change it was woken for has been
// followed by one that is not published yet. It registers again, and the
// notification of that one is still to come.
func (s *Store) block(ctx context.Context, w *watch.Waiter, timeout <-chan time.Time, ids []schema.ID, above uint64) (WaitResult, error) {
	for {
		s.register(w, ids, above)
		if st, ok := s.first(ids, above); ok {
			return s.result(st)
		}
		select {
		case signal := <-w.C():
			if signal.Err != nil {
				return WaitResult{}, signal.Err
			}
		case <-timeout:
			return s.timedOut(ids, above)
		case <-ctx.Done():
			return WaitResult{}, ctx.Err()
		}
	}
}

// register registers w for all ids.
func (s *Store) register(w *watch.Waiter, ids []schema.ID, above uint64) {
	if len(ids) == 1 {
		s.watch.Register(w, above, ids[0])
		return
	}
	raw := make([]watch.ID, len(ids))
	for i, id := range ids {
		raw[i] = id
	}
	s.watch.Register(w, above, raw...)
}

// A state is what a wait sees of one ID, and what it makes of it.
type state struct {
	id      schema.ID
	v       *version // nil: never seen, or forgotten
	index   uint64   // see WaitResult.Index
	outcome Outcome
}

// look returns the state of id. The last index is read before the table: an ID
// that is absent from the table has no change up to that index.
func (s *Store) look(id schema.ID) state {
	last := s.index.Last()
	st := state{id: id, v: s.table.get(&id), index: last, outcome: NotFound}
	if st.v != nil {
		st.index, st.outcome = st.v.modified(), Changed
		if st.v.tombstone() {
			st.outcome = Deleted
		}
	}
	st.index = max(st.index, s.restored.Load())
	return st
}

// first returns what a wait above that index returns at once, if there is
// anything: of several changes the one with the lowest index.
//
// A change above the last index is one whose batch is being published. It is
// left for later, because one with a lower index may be on its way for an ID
// that was looked at before; its waiters are yet to be notified.
func (s *Store) first(ids []schema.ID, above uint64) (best state, found bool) {
	last := s.index.Last()
	if above < s.restored.Load() {
		best = s.look(ids[0])
		best.outcome = Restored
		return best, true
	}
	for _, id := range ids {
		st := s.look(id)
		if st.v == nil && above < s.floor.Load() {
			st.outcome = Compacted
			return st, true
		}
		if st.v == nil || st.index <= above || st.index > last {
			continue
		}
		if !found || st.index < best.index {
			best, found = st, true
		}
	}
	return best, found
}

// result is the WaitResult of st, with the allocation if there is one.
func (s *Store) result(st state) (WaitResult, error) {
	r := WaitResult{ID: st.id.String(), Index: st.index, Outcome: st.outcome}
	if st.v == nil || st.v.tombstone() {
		return r, nil
	}
	if r.Alloc = st.v.current(); r.Alloc != nil {
		return r, nil
	}
	return s.readResult(st)
}

// readResult is result for a version that is to be read from the file. It
// registers as a reader, against compaction, and looks again: what is there by
// then is the same version or a later one.
func (s *Store) readResult(st state) (WaitResult, error) {
	at := s.readers.enter(s.index.Last)
	defer s.readers.leave(at)
	now := s.look(st.id)
	switch {
	case now.v == st.v, st.outcome == Restored:
		now.outcome = st.outcome
	case now.v == nil:
		now.outcome = Compacted // deleted since, and forgotten
	}
	r := WaitResult{ID: st.id.String(), Index: now.index, Outcome: now.outcome}
	if now.v == nil || now.v.tombstone() {
		return r, nil
	}
	var err error
	if r.Alloc, err = s.decode(now.id, now.v); err != nil {
		return WaitResult{}, err
	}
	return r, nil
}

// timedOut is the result of a wait whose time is up, which may be a change all
// the same, if that came with the end of it.
func (s *Store) timedOut(ids []schema.ID, above uint64) (WaitResult, error) {
	if st, ok := s.first(ids, above); ok {
		return s.result(st)
	}
	if len(ids) == 1 {
		st := s.look(ids[0])
		if st.v == nil || st.index <= above {
			st.outcome = TimedOut
		}
		return s.result(st)
	}
	r := WaitResult{Outcome: TimedOut, Index: s.restored.Load()}
	last := s.index.Last()
	for _, id := range ids {
		if st := s.look(id); st.index <= last {
			r.Index = max(r.Index, st.index)
		}
	}
	return r, nil
}
