package store

import (
	"context"
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

// begin returns a waiter, and what there is to return at once. If there is nothing, the
// waiter is registered and its time has begun.
//
// A blocked reader is the frames of its caller, of Wait and of the runtime, in the 2 kB
// that a goroutine's stack begins with; one that has grown never becomes so small
// again. What makes it grow is the runtime's search for memory: 700 bytes below whoever
// allocates, and 900 below a select. So Wait has the select and as little else as can be,
// the work is in functions that have returned by then, and what they allocate they
// allocate near Wait.
//
//go:noinline
func (s *Store) begin(ctx context.Context, id string, opts *QueryOptions) (*watch.Waiter, *waitEnd) {
	w := s.waiters.Get().(*watch.Waiter)
	end := s.start(ctx, w, opts, watchOne(w, opts.MinQueryIndex, id))
	if end == nil {
		end = s.register(w)
	}
	return w, end
}

// beginAny is begin of WaitAny.
//
//go:noinline
func (s *Store) beginAny(ctx context.Context, ids []string, opts *QueryOptions) (*watch.Waiter, *waitEnd) {
	w := s.waiters.Get().(*watch.Waiter)
	end := s.start(ctx, w, opts, watchAll(w, opts.MinQueryIndex, ids))
	if end == nil {
		end = s.register(w)
	}
	return w, end
}

// start returns what there is to return at once, which may be err. If there is nothing,
// the time of the waiter begins.
//
//go:noinline
func (s *Store) start(ctx context.Context, w *watch.Waiter, opts *QueryOptions, err error) *waitEnd {
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && s.closed.Load() {
		err = ErrClosed
	}
	if err != nil {
		return &waitEnd{err: err}
	}
	end := s.look(w, 0)
	if end == nil {
		s.watch.ExpireAfter(w, opts.timeout())
	}
	return end
}

// register registers, and looks again. That look is what makes sure: what was published
// before the registration is seen by it, what is published after it is notified to the
// waiter; see package watch.
func (s *Store) register(w *watch.Waiter) (end *waitEnd) {
	for end == nil {
		if s.watch.Register(w); !s.ready(w) {
			return nil
		}
		end = s.look(w, 0)
	}
	return end
}

// ready reports whether find finds something.
//
//go:noinline
func (s *Store) ready(w *watch.Waiter) bool {
	var at sighting
	return s.find(w, 0, &at)
}

// wake returns what a waiter that has received a signal has been woken for. If that has
// been followed by a change that is not published yet, it is registered again, for the
// notification of that one is still to come.
//
//go:noinline
func (s *Store) wake(w *watch.Waiter) *waitEnd {
	signal := w.Signal()
	if signal.Err != nil {
		return &waitEnd{err: signal.Err}
	}
	if end := s.look(w, signal.Kind); end != nil {
		return end
	}
	return s.register(w)
}

// canceled is the end of a wait whose context has ended.
//
//go:noinline
func canceled(ctx context.Context) *waitEnd { return &waitEnd{err: ctx.Err()} }

// look returns what there is to return to one who was told so much, or nil.
//
//go:noinline
func (s *Store) look(w *watch.Waiter, told watch.Kind) (end *waitEnd) {
	for end == nil {
		var at sighting
		switch {
		case w.Min() == 0:
			s.findAny(w, &at)
		case told == watch.Expired:
			s.findExpired(w, &at)
		case !s.find(w, told, &at):
			return nil
		}
		end = s.endWith(&at)
	}
	return end
}

// finish leaves nothing of a wait behind but its end.
//
//go:noinline
func (s *Store) finish(w *watch.Waiter, end *waitEnd) *waitEnd {
	s.watch.Deregister(w)
	s.waiters.Put(w)
	return end
}

// endWith is the end of a wait that returns what it saw, or nil if that has changed
// meanwhile and is not in memory.
func (s *Store) endWith(at *sighting) *waitEnd {
	r := WaitResult{Index: at.index, Outcome: at.outcome}
	switch {
	case at.id == nil:
	case at.v == nil, at.v.tombstone():
		r.ID = at.id.String()
	default:
		a, err := s.handOut(s.seen(at))
		if err != nil {
			r.ID = at.id.String() // whoever waits for several goes on without this one
			return &waitEnd{WaitResult: r, err: err}
		}
		if a == nil {
			return nil
		}
		r.Alloc, r.ID = a, a.ID
	}
	return &waitEnd{WaitResult: r}
}

// seen returns the allocation of the version that was seen, or nil if that is to be
// read from the file and is not the newest one any more: what is the newest one
// when a reader has registered is what compaction leaves to it.
func (s *Store) seen(at *sighting) (*schema.Allocation, error) {
	if a := at.v.current(); a != nil {
		return a, nil
	}
	reader := s.readers.enter(s.index.Last)
	defer s.readers.leave(reader)
	if s.table.get(at.id) != at.v {
		return nil, nil
	}
	a, err := s.decode(*at.id, at.v)
	if s.since(reader) != nil {
		return nil, nil
	}
	return a, err
}
