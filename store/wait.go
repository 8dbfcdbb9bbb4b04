package store

import (
	"context"
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

// WaitResult is what a wait returns.
type WaitResult struct {
	// Alloc is the allocation, shared and read-only, or nil if there is none.
	Alloc *schema.Allocation

	// ID is the ID that the result is about, in lower case. It is "" where a wait
	// for several timed out or was Compacted.
	ID string

	// Index is the allocation's ModifyIndex, or the index of its deletion, or for
	// an ID that is absent the store's last index. It is never 0 and never below
	// the last restore. Given back as the next MinQueryIndex it misses nothing. For
	// that, Restored has the index of the restore when several were waited for.
	Index uint64

	Outcome Outcome
}

// Wait blocks until the allocation changes at an index above
// opts.MinQueryIndex, or is deleted above it, or time runs out. Writes to other
// allocations never wake it. An ID that was never seen is waited for until it is
// placed. With MinQueryIndex 0 Wait returns at once what there is.
//
// Errors: ErrInvalidID; ctx's error as soon as ctx ends; ErrClosed and ErrFailed
// if the wait would have to go on in a store that is so; ErrCorrupt if what it would
// return cannot be read, with the ID and the index in the result. Running out of time is
// no error.
func (s *Store) Wait(ctx context.Context, id string, opts QueryOptions) (WaitResult, error) {
	w, end := s.begin(ctx, id, &opts)
	for end == nil {
		select {
		case <-ctx.Done():
			end = canceled(ctx)
		case <-w.C():
			end = s.wake(w)
		}
	}
	end = s.finish(w, end)
	return end.WaitResult, end.err
}

// WaitAny is Wait on several allocations: it returns the first change, which is
// the one with the lowest index where there are several. Given back as the next
// MinQueryIndex, with the same IDs, the index misses no other allocation's latest
// change, but for those that were made in the same batch and so have the same index:
// look for them. With MinQueryIndex 0 it is the same: what is there comes in the order
// of its indexes.
//
// When it times out with several IDs the result has neither an allocation nor an ID,
// and the store's last index. So it has when one of them is absent and may have been
// deleted above MinQueryIndex, which is Compacted: what has changed is not known
// then, and the reader looks at each.
//
// No ID at all is ErrInvalidID.
func (s *Store) WaitAny(ctx context.Context, ids []string, opts QueryOptions) (WaitResult, error) {
	w, end := s.beginAny(ctx, ids, &opts)
	// The loop of Wait: in a function of both it would be a frame more; see begin.
	for end == nil {
		select {
		case <-ctx.Done():
			end = canceled(ctx)
		case <-w.C():
			end = s.wake(w)
		}
	}
	end = s.finish(w, end)
	return end.WaitResult, end.err
}
