package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"allocstore/schema"
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
	w := s.begin(ctx, opts, id)
	for w.result == nil {
		s.rise(w, s.sleep(ctx, w))
	}
	return s.end(w)
}

// WaitAny is Wait on several allocations: it returns the first change, which is
// the one with the lowest index where there are several. Given back as the next
// MinQueryIndex, with the same IDs, the index misses no other allocation's
// latest change. With MinQueryIndex 0 it returns the first ID's state. When it
// times out with several IDs there is no allocation in the result.
//
// No ID at all is ErrInvalidID.
func (s *Store) WaitAny(ctx context.Context, ids []string, opts QueryOptions) (WaitResult, error) {
	w := s.begin(ctx, opts, ids...)
	for w.result == nil {
		s.rise(w, s.sleep(ctx, w))
	}
	return s.end(w)
}

// begin returns a waiter with what there is to return at once. If there is nothing,
// its time begins.
//
// A blocked reader is the frames of its caller, of Wait, of sleep and of the
// runtime. Together they fit the 2 kB that a goroutine's stack begins with, and
// one that has grown never becomes so small again: hence the work is in functions
// that have returned by the time it blocks, and Wait holds no more than w.
//
//go:noinline
func (s *Store) begin(ctx context.Context, opts QueryOptions, ids ...string) *waiter {
	w := s.waiters.Get().(*waiter)
	err := w.set(opts.MinQueryIndex, ids)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && s.closed.Load() {
		err = ErrClosed
	}
	if s.rise(w, err); w.result == nil {
		w.start(opts.timeout())
	}
	return w
}

// sleep registers, looks again, and blocks if the look finds nothing. That look is
// what makes sure: what was published before the registration is seen by it, what
// is published after it is notified to the waiter; see package watch.
//
//go:noinline
func (s *Store) sleep(ctx context.Context, w *waiter) error {
	s.watch.Register(w.Waiter, w.above, w.ids...)
	if w.expired.Load() || s.ready(w) {
		return nil
	}
	select {
	case signal := <-w.C():
		return signal.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ready reports whether first would find something.
//
//go:noinline
func (s *Store) ready(w *waiter) bool {
	last := s.index.Last()
	if w.above < s.restored.Load() {
		return true
	}
	for i := range w.ids {
		v := s.table.get(w.id(i))
		if v == nil && w.above < s.floor.Load() || v != nil && v.modified() > w.above && v.modified() <= last {
			return true
		}
	}
	return false
}

// rise ends a wait that err ended, or for which there is something to return. If
// there is nothing, the change that it was woken for has been followed by one that
// is not published yet; it sleeps again, for the notification of that one is still
// to come.
//
//go:noinline
func (s *Store) rise(w *waiter, err error) {
	r, done := WaitResult{}, true
	if err == nil {
		r, done, err = s.look(w)
	}
	if done {
		w.result = &ended{r, err}
	}
}

// end leaves nothing of the wait behind, and returns what came of it.
//
//go:noinline
func (s *Store) end(w *waiter) (WaitResult, error) {
	result := w.result
	w.result = nil
	if w.end() {
		s.waiters.Put(w)
	}
	return result.WaitResult, result.err
}

// look returns what there is to return by now, if there is anything.
func (s *Store) look(w *waiter) (r WaitResult, done bool, err error) {
	var st state
	switch {
	case w.above == 0:
		st = s.stateOf(w.ids[0])
	case s.first(w, &st):
	case w.expired.Load():
		return s.timedOut(w)
	default:
		return r, false, nil
	}
	r, err = s.result(&st)
	return r, true, err
}

// A state is what a wait sees of one ID, and what it makes of it.
type state struct {
	id      schema.ID
	v       *version // nil: never seen, or forgotten
	index   uint64   // see WaitResult.Index
	outcome Outcome
}

// stateOf returns the state of id. The last index is read before the table: an ID
// that is absent from the table has no change up to that index.
func (s *Store) stateOf(id schema.ID) state {
	last := s.index.Last()
	return s.state(id, s.table.get(&id), last)
}

// state returns the state of id, whose newest version is v, or nil as of the index
// last.
func (s *Store) state(id schema.ID, v *version, last uint64) state {
	st := state{id: id, v: v, index: last, outcome: NotFound}
	if v != nil {
		st.index, st.outcome = v.modified(), Changed
		if v.tombstone() {
			st.outcome = Deleted
		}
	}
	st.index = max(st.index, s.restored.Load())
	return st
}

// first finds what the wait returns at once, if there is anything: of several
// changes the one with the lowest index.
//
// A change above the last index is one whose batch is being published. It is
// left for later, because one with a lower index may be on its way for an ID
// that was looked at before; its waiters are yet to be notified.
func (s *Store) first(w *waiter, st *state) bool {
	last := s.index.Last()
	if w.above < s.restored.Load() {
		*st = s.state(w.ids[0], s.table.get(w.id(0)), last)
		st.outcome = Restored
		return true
	}
	var best *version
	var at int
	for i := range w.ids {
		v := s.table.get(w.id(i))
		if v == nil && w.above < s.floor.Load() {
			*st = s.state(w.ids[i], nil, last)
			st.outcome = Compacted
			return true
		}
		if v == nil || v.modified() <= w.above || v.modified() > last {
			continue
		}
		if best == nil || v.modified() < best.modified() {
			best, at = v, i
		}
	}
	if best != nil {
		*st = s.state(w.ids[at], best, last)
	}
	return best != nil
}

// result is the WaitResult of st, with the allocation if there is one.
func (s *Store) result(st *state) (WaitResult, error) {
	if st.v == nil || st.v.tombstone() {
		return WaitResult{ID: st.id.String(), Index: st.index, Outcome: st.outcome}, nil
	}
	a := st.v.current()
	if a == nil {
		return s.readResult(st)
	}
	return WaitResult{Alloc: a, ID: a.ID, Index: st.index, Outcome: st.outcome}, nil
}

// readResult is result for a version that is to be read from the file. It
// registers as a reader, against compaction, and looks again: what is there by
// then is the same version or a later one.
func (s *Store) readResult(st *state) (WaitResult, error) {
	at := s.readers.enter(s.index.Last)
	defer s.readers.leave(at)
	now := s.stateOf(st.id)
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

// timedOut is the result of a wait whose time is up. A change that came just now is
// returned, or left for the next wait.
func (s *Store) timedOut(w *waiter) (r WaitResult, done bool, err error) {
	last := s.index.Last()
	var st state
	switch {
	case s.first(w, &st):
	case len(w.ids) == 1:
		if st = s.stateOf(w.ids[0]); st.v == nil || st.index <= w.above {
			st.outcome = TimedOut
		}
	default:
		return WaitResult{Outcome: TimedOut, Index: s.newest(w, last)}, true, nil
	}
	r, err = s.result(&st)
	return r, true, err
}

// newest returns the highest index of what w waits for, of those up to last.
func (s *Store) newest(w *waiter, last uint64) uint64 {
	index := s.restored.Load()
	for _, id := range w.ids {
		if st := s.stateOf(id); st.index <= last {
			index = max(index, st.index)
		}
	}
	return index
}
