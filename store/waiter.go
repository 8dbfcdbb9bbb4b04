package store

import (
	"context"
	"fmt"
	"slices"

	"allocstore/schema"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// begin returns the end of a wait that need not block. If both results are nil, the
// waiter is registered and its time runs.
func (s *Store) begin(ctx context.Context, w *watch.Waiter, ids []string, opts QueryOptions) (*WaitResult, error) {
	if err := watchAll(w, opts.MinQueryIndex, ids); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if r, err := s.result(w, 0); r != nil || err != nil {
		return r, err
	}
	s.watch.ExpireAfter(w, opts.timeout())
	return s.register(w)
}

// register registers the waiter and looks again, which makes sure that no change is
// missed: the look sees a change published before the registration, and the waiter is
// notified of one published after it. See package watch.
func (s *Store) register(w *watch.Waiter) (*WaitResult, error) {
	s.watch.Register(w)
	return s.result(w, 0)
}

// wake returns the end of a wait that has received a signal, or nil to go on waiting: a later
// version, not published yet, may have replaced the one that woke it. The waiter is registered
// again, and that version will notify it.
func (s *Store) wake(w *watch.Waiter) (*WaitResult, error) {
	signal := w.Signal()
	if signal.Err != nil {
		return nil, signal.Err
	}
	if r, err := s.result(w, s.kindOf(signal)); r != nil || err != nil {
		return r, err
	}
	return s.register(w)
}

// kindOf returns the kind of a signal. For a restore in a replica it is 0: a wait with a min above the
// restore has seen it on another replica, and goes on. All other waits find the restore by their min.
func (c *core) kindOf(signal *watch.Signal) watch.Kind {
	if c.opts.Replicated && signal.Kind == watch.Restored {
		return 0
	}
	return signal.Kind
}

// atLeast returns the index of a result, which in a replica is not below the wait's min.
func (c *core) atLeast(min, index uint64) uint64 {
	if c.opts.Replicated {
		index = max(index, min)
	}
	return index
}

// result returns what the wait returns, or nil to go on waiting. kind is the signal
// received, 0 for none.
func (s *Store) result(w *watch.Waiter, kind watch.Kind) (*WaitResult, error) {
	if kind == 0 && unchangedSince(s.state.Load(), w) {
		return nil, nil
	}
	return s.observed(w, kind)
}

// unchangedSince reports whether observe has nothing for a waiter that has received no signal. It
// may report false all the same. It is for the reader that is about to block for one ID, whose stack
// the frame of observe would make grow.
func unchangedSince(st *state.State, w *watch.Waiter) bool {
	if w.Len() > 1 || w.Min() == 0 || w.Min() < st.Restored.Load() {
		return false
	}
	v := st.Table.Get(watched(w, 0))
	return v != nil && v.Modified() <= w.Min()
}

// observed returns the result for the observation that ends the wait, or nil to go on waiting.
func (s *Store) observed(w *watch.Waiter, kind watch.Kind) (*WaitResult, error) {
	for {
		o, found := observe(s.state.Load(), w, kind)
		if !found {
			return nil, nil
		}
		o.index = s.atLeast(w.Min(), o.index)
		if r, err := s.resultOf(&o); r != nil {
			return r, err
		}
	}
}

// resultOf returns the result of a wait that ends with o, or nil if the version has been
// replaced meanwhile and is not in memory.
func (s *Store) resultOf(o *observation) (*WaitResult, error) {
	r, err := s.oneResultOf(o)
	if r == nil || len(o.more) == 0 {
		return r, err
	}
	all := []WaitResult{*r}
	first := 0                              // the one with the error, if there is one
	seen := map[schema.ID]bool{*o.id: true} // an ID may be given more than once
	for i := range o.more {
		id := *o.more[i].id
		if seen[id] {
			continue
		}
		seen[id] = true
		also, fault := s.oneResultOf(&o.more[i])
		if also == nil {
			continue // a later change has replaced it, which the next wait returns
		}
		if fault != nil && err == nil {
			first, err = len(all), fault
		}
		all = append(all, *also)
	}
	*r = all[first]
	if len(all) > 1 {
		r.More = slices.Delete(all, first, first+1)
	}
	return r, err
}

// oneResultOf returns the result of o without More.
func (s *Store) oneResultOf(o *observation) (*WaitResult, error) {
	r := &WaitResult{Index: o.index, Outcome: o.outcome}
	switch {
	case o.id == nil:
	case o.v == nil, o.v.Tombstone():
		r.ID = o.id.String()
	default:
		a, err := s.handOut(s.allocationOf(o))
		if err != nil {
			r.ID = o.id.String() // a reader of several IDs goes on without this one
			return r, err
		}
		if a == nil {
			return nil, nil
		}
		r.Alloc, r.ID = a, a.ID
	}
	return r, nil
}

// allocationOf returns the allocation of the version that was observed. It is nil if it has
// to be read from the file and the version has been replaced: compaction keeps for a reader
// the versions that were the newest when it entered.
func (s *Store) allocationOf(o *observation) (*schema.Allocation, error) {
	if a := o.v.Current(); a != nil {
		return a, nil
	}
	st, at := s.enter()
	defer s.readers.Leave(at)
	if st != o.st || st.Table.Get(o.id) != o.v {
		return nil, nil
	}
	a, err := s.decode(st, *o.id, o.v)
	if err != nil && s.state.Load() != st {
		return nil, nil // the store was restored, which closes the old file
	}
	return a, err
}

// watchAll has w wait for changes of the IDs above an index.
func watchAll(w *watch.Waiter, above uint64, ids []string) error {
	if len(ids) == 0 {
		return fmt.Errorf("%w: no ID to wait for", ErrInvalidID)
	}
	var one [1]watch.ID // on the stack: most waits are for one ID
	parsed := one[:0]
	if len(ids) > 1 {
		parsed = make([]watch.ID, 0, len(ids))
	}
	for i, s := range ids {
		id, err := schema.ParseID(s)
		if err != nil && len(ids) > 1 {
			err = fmt.Errorf("ID %d of %d: %w", i, len(ids), err)
		}
		if err != nil {
			return err
		}
		parsed = append(parsed, watch.ID(id))
	}
	w.Watch(above, parsed...)
	return nil
}
