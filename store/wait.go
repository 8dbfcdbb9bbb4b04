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
		return s.result(s.look(ids[0]), 0)
	}
	if seen, ok := s.first(ids, opts.MinQueryIndex); ok {
		return s.result(seen, opts.MinQueryIndex)
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
func (s *Store) block(ctx context.Context, w *watch.Waiter, timeout <-chan time.Time, ids []schema.ID, min uint64) (WaitResult, error) {
	for {
		s.register(w, ids, min)
		if seen, ok := s.first(ids, min); ok {
			return s.result(seen, min)
		}
		select {
		case signal := <-w.C():
			if signal.Err != nil {
				return WaitResult{}, signal.Err
			}
		case <-timeout:
			return s.timedOut(ids, min)
		case <-ctx.Done():
			return WaitResult{}, ctx.Err()
		}
	}
}

// register registers w for all ids.
func (s *Store) register(w *watch.Waiter, ids []schema.ID, min uint64) {
	if len(ids) == 1 {
		s.watch.Register(w, min, ids[0])
		return
	}
	raw := make([]watch.ID, len(ids))
	for i, id := range ids {
		raw[i] = id
	}
	s.watch.Register(w, min, raw...)
}

// seen is what a wait sees of one ID.
type seen struct {
	id    schema.ID
	v     *version // nil: never seen, or forgotten
	index uint64   // see WaitResult.Index
}

// look returns the state of id. The last index is read before the table: an ID
// that is absent from the table has no change up to that index.
func (s *Store) look(id schema.ID) seen {
	last := s.index.Last()
	sn := seen{id: id, v: s.table.get(&id), index: last}
	if sn.v != nil {
		sn.index = sn.v.modified()
	}
	sn.index = max(sn.index, s.restored.Load())
	return sn
}

// first returns what a wait above min returns at once, if there is anything: of
// several changes the one with the lowest index.
//
// A change above the last index is one whose batch is being published. It is
// left for later, because one with a lower index may be on its way for an ID
// that was looked at before; its waiters are yet to be notified.
func (s *Store) first(ids []schema.ID, min uint64) (best seen, found bool) {
	last := s.index.Last()
	if min < s.restored.Load() {
		return s.look(ids[0]), true
	}
	for _, id := range ids {
		sn := s.look(id)
		if sn.v == nil && min < s.floor.Load() {
			return sn, true
		}
		if sn.v == nil || sn.index <= min || sn.index > last {
			continue
		}
		if !found || sn.index < best.index {
			best, found = sn, true
		}
	}
	return best, found
}

// result is the WaitResult of what was seen, for a wait above min.
func (s *Store) result(sn seen, min uint64) (WaitResult, error) {
	r := WaitResult{ID: sn.id.String(), Index: sn.index, Outcome: s.outcome(sn, min)}
	return s.fill(r, sn)
}

func (s *Store) outcome(sn seen, min uint64) Outcome {
	switch {
	case min > 0 && min < s.restored.Load():
		return Restored
	case sn.v != nil && sn.v.tombstone():
		return Deleted
	case sn.v != nil:
		return Changed
	case min > 0 && min < s.floor.Load():
		return Compacted
	}
	return NotFound
}

// fill sets the allocation of r.
func (s *Store) fill(r WaitResult, sn seen) (_ WaitResult, err error) {
	if sn.v == nil || sn.v.tombstone() {
		return r, nil
	}
	r.Alloc, err = s.decode(sn.id, sn.v)
	return r, err
}

// timedOut is the result of a wait above min whose time is up, which may be a
// change all the same, if that came with the end of it.
func (s *Store) timedOut(ids []schema.ID, min uint64) (WaitResult, error) {
	if seen, ok := s.first(ids, min); ok {
		return s.result(seen, min)
	}
	if len(ids) == 1 {
		sn := s.look(ids[0])
		if sn.v != nil && sn.index > min {
			return s.result(sn, min)
		}
		return s.fill(WaitResult{ID: sn.id.String(), Index: sn.index, Outcome: TimedOut}, sn)
	}
	r := WaitResult{Outcome: TimedOut, Index: s.restored.Load()}
	last := s.index.Last()
	for _, id := range ids {
		if sn := s.look(id); sn.index <= last {
			r.Index = max(r.Index, sn.index)
		}
	}
	return r, nil
}
