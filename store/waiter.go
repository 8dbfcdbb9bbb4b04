package store

import (
	"context"
	"fmt"

	"allocstore/schema"
	"allocstore/watch"
)

// A waitEnd is what came of a wait.
type waitEnd struct {
	WaitResult
	err error
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

// look returns the end of a wait whose waiter was told so, or nil if it goes on. Who was
// told nothing gives 0.
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

// watchOne has w wait for changes of an ID above an index.
//
//go:noinline
func watchOne(w *watch.Waiter, above uint64, s string) error {
	id, err := schema.ParseID(s)
	if err == nil {
		w.Watch(above, watch.ID(id))
	}
	return err
}

// watchAll is watchOne of several IDs.
func watchAll(w *watch.Waiter, above uint64, ids []string) error {
	if len(ids) == 0 {
		return fmt.Errorf("%w: no ID to wait for", ErrInvalidID)
	}
	parsed := make([]watch.ID, len(ids))
	for i, s := range ids {
		id, err := schema.ParseID(s)
		if err != nil && len(ids) > 1 {
			err = fmt.Errorf("ID %d of %d: %w", i, len(ids), err)
		}
		if err != nil {
			return err
		}
		parsed[i] = watch.ID(id)
	}
	w.Watch(above, parsed...)
	return nil
}

// watched is the i-th ID that w waits for.
func watched(w *watch.Waiter, i int) *schema.ID { return (*schema.ID)(w.ID(i)) }
