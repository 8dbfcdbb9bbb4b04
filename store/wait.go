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

// wait looks, registers, looks again, and blocks. The second look is what makes
// sure: what was published before it is seen by it, what is published after it
// is notified to the waiter, which was registered before; see package watch.
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
	return s.block(ctx, ids, opts)
}

// block is the part of a wait that blocks.
func (s *Store) block(ctx context.Context, ids []schema.ID, opts QueryOptions) (WaitResult, error) {
	w := s.waiters.Get().(*watch.Waiter)
	s.register(w, ids, opts.MinQueryIndex)
	timer := time.NewTimer(opts.timeout())
	err := s.park(ctx, w, timer.C, ids, opts.MinQueryIndex)
	timer.Stop()
	s.watch.Deregister(w)
	s.waiters.Put(w)
	if err != nil {
		return WaitResult{}, err
	}
	if seen, ok := s.first(ids, opts.MinQueryIndex); ok {
		return s.result(seen, opts.MinQueryIndex)
	}
	return s.timedOut(ids)
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

// park returns once there may be something to see, or time is up, or an error
// ends the wait.
func (s *Store) park(ctx context.Context, w *watch.Waiter, timeout <-chan time.Time, ids []schema.ID, min uint64) error {
	if _, ok := s.first(ids, min); ok {
		return nil
	}
	select {
	case signal := <-w.C():
		return signal.Err
	case <-timeout:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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

// timedOut is the result of a wait for which nothing changed in time.
func (s *Store) timedOut(ids []schema.ID) (WaitResult, error) {
	if len(ids) == 1 {
		sn := s.look(ids[0])
		return s.fill(WaitResult{ID: sn.id.String(), Index: sn.index, Outcome: TimedOut}, sn)
	}
	r := WaitResult{Outcome: TimedOut}
	last := s.index.Last()
	for _, id := range ids {
		r.Index = max(r.Index, min(s.look(id).index, last))
	}
	return r, nil
}
