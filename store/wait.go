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
	// DefaultMaxQueryTime bounds a wait whose MaxQueryTime is 0 or negative.
	DefaultMaxQueryTime = 5 * time.Minute

	// LongestMaxQueryTime is the upper bound; a longer MaxQueryTime is cut to it.
	LongestMaxQueryTime = 10 * time.Minute

	// jitterShare: up to 1/jitterShare of the time is added at random, so that readers
	// that began together do not all come back together.
	jitterShare = 16
)

// QueryOptions say when a wait ends.
type QueryOptions struct {
	// MinQueryIndex is an index that the caller has seen: the wait is for a
	// change above it. 0 does not wait.
	MinQueryIndex uint64

	// MaxQueryTime bounds the wait. 0 or less means 5 minutes, more than 10
	// minutes mean 10; up to a sixteenth is added at random.
	MaxQueryTime time.Duration
}

// timeout returns the bound of one wait, with its jitter.
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

// WaitResult is the result of a wait.
type WaitResult struct {
	// Alloc is the allocation, shared and read-only, or nil if it is absent.
	Alloc *schema.Allocation

	// ID is the allocation's ID, in lower case. It is "" if a wait for several IDs
	// timed out or was Compacted.
	ID string

	// Index is the allocation's ModifyIndex, the index of its deletion, or, for an
	// absent ID, the store's last index. It is never 0 and never below the last
	// restore. Given back as the next MinQueryIndex, it misses nothing. Therefore it
	// is the restore's index if a wait for several IDs was Restored.
	Index uint64

	Outcome Outcome

	// More has the other IDs of a WaitAny that changed, were deleted or restored at the same
	// Index, each once, in the order of the IDs. Their own More is nil.
	More []WaitResult
}

// Wait blocks until the allocation changes at an index above opts.MinQueryIndex, is
// deleted above it, or time runs out. Writes to other allocations never wake it. A wait
// for an ID that was never seen goes on until the allocation is placed. With
// MinQueryIndex 0 Wait returns the current state at once.
//
// Errors: ErrInvalidID; ctx's error as soon as ctx ends; ErrClosed if the store is
// closed; ErrFailed if the wait would block in a store that has failed; ErrCorrupt, with
// the ID and the index in the result, if the allocation cannot be read. Running out of
// time is no error.
func (s *Store) Wait(ctx context.Context, id string, opts QueryOptions) (WaitResult, error) {
	r, err := s.wait(ctx, []string{id}, opts)
	return *r, err
}

// WaitAny is Wait on several allocations. It returns the first change: if several
// have changed, the one with the lowest index, and in its More the others that changed at the
// same index. Given back as the next MinQueryIndex, with the same IDs, the index misses no
// allocation's latest change. With MinQueryIndex 0 the existing allocations come in the order
// of their indexes. After a restore the result and its More have the state of every ID.
//
// If an allocation cannot be read, the result has its ID, with the error, and More has the others
// of its index. If several cannot be read, those in More have a nil Alloc and are Changed, or
// Restored after a restore.
//
// If a wait for several IDs times out, the result has neither an allocation nor an ID,
// and the store's last index. The same result with the outcome Compacted says that one of
// the IDs is absent and may have been deleted above MinQueryIndex: look at each.
//
// Without any ID the error is ErrInvalidID.
func (s *Store) WaitAny(ctx context.Context, ids []string, opts QueryOptions) (WaitResult, error) {
	r, err := s.wait(ctx, ids, opts)
	return *r, err
}

// wait is WaitAny with a pointer to the result.
//
// A blocked reader keeps the frames of its caller, of Wait and of wait, in the 2 kB that
// a goroutine's stack begins with, unless the goroutine has needed more before: then the
// stack has 4 kB (design/0007). The stack grows, to 4 kB, when the runtime has to find
// a new span for the objects of the select, in calls that go 900 bytes deeper. So these
// frames are small, and all other work is done in functions that have returned by then.
func (s *Store) wait(ctx context.Context, ids []string, opts QueryOptions) (*WaitResult, error) {
	w := s.waiters.Get().(*watch.Waiter)
	r, err := s.begin(ctx, w, ids, opts)
	for r == nil && err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-w.C():
			r, err = s.wake(w)
		}
	}
	s.watch.Deregister(w)
	s.waiters.Put(w)
	if r == nil {
		r = new(WaitResult)
	}
	return r, err
}

// Outcome is the reason why a wait returned.
type Outcome uint8

// Outcomes of a wait. A wait for a list has neither Deleted nor NotFound.
const (
	// Changed: the allocation exists, and changed above MinQueryIndex. Or the list changed above it,
	// or MinQueryIndex was 0.
	Changed Outcome = iota + 1

	// Deleted: it was deleted above MinQueryIndex, before or during the wait.
	Deleted

	// NotFound: MinQueryIndex was 0 and the store has never held the ID.
	NotFound

	// TimedOut: nothing changed in time. The result is the current state.
	TimedOut

	// Restored: the store was restored from a backup, above MinQueryIndex. The
	// result is the state now.
	Restored

	// Compacted: the ID is absent, and whether it was deleted above MinQueryIndex
	// is no longer known. Or the list may have lost members above MinQueryIndex that
	// are no longer known; the result is the state now.
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
