package main

import (
	"fmt"
	"maps"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store"
)

// A content has the canonical bytes of each allocation of a store, by ID.
type content map[string]string

// A state is the store after one batch.
type state struct {
	content
	changes content       // the allocations that the batch changed; "" for a deleted one
	digest  atomic.Uint64 // the store's, as it was first seen; 0 before
}

// A history has the expected state of a store after each of its batches. It implements the
// rules of the design by itself, and shares only the encoding with the store.
type history struct {
	states  map[uint64]*state
	current map[string]*schema.Allocation // read-only, as are the allocations
	last    uint64

	applied uint64          // the highest index that was given, and not below last
	empty   map[uint64]bool // the indexes that were given and changed nothing
	inLog   bool            // the store is that of a node: every index without a state changed nothing
}

// newHistory returns the history of a store that was just created.
func newHistory() *history {
	return &history{states: map[uint64]*state{1: {content: content{}}}, last: 1, applied: 1, empty: make(map[uint64]bool)}
}

// A step is one write of a batch.
type step struct {
	id string
	do func(in map[string]*schema.Allocation, index uint64) // in the history
	op func(b batch)                                        // in the store
}

// batch is the part of store.Batch that steps need.
type batch interface {
	Upsert(*schema.Allocation)
	UpdateFromClient(*schema.Allocation)
	AppendTaskEvent(id, task, state string, ev schema.TaskEvent)
	SetClientStatus(id, status, description string)
	SetDesiredStatus(id, status, description string)
	Delete(id string)
}

// after returns the current state changed by the steps at index, and the changes.
func (h *history) after(index uint64, steps []step) (next map[string]*schema.Allocation, changed content) {
	next = make(map[string]*schema.Allocation, len(h.current))
	for id, a := range h.current {
		next[id] = a.Clone()
	}
	for _, s := range steps {
		s.do(next, index)
	}
	changed = make(content)
	for id, was := range h.current {
		switch is := next[id]; {
		case is == nil:
			changed[id] = ""
		case plain(is) == plain(was):
			next[id] = was
		default:
			changed[id] = canonical(is)
		}
	}
	for id, is := range next {
		if h.current[id] == nil {
			changed[id] = canonical(is)
		}
	}
	return next, changed
}

// apply adds the state after a batch at index, and reports whether it changed anything.
func (h *history) apply(index uint64, steps []step) bool {
	next, changed := h.after(index, steps)
	if len(changed) == 0 {
		return false
	}
	all := maps.Clone(h.states[h.last].content)
	for id, bytes := range changed {
		if bytes == "" {
			delete(all, id)
		} else {
			all[id] = bytes
		}
	}
	h.states[index] = &state{content: all, changes: changed}
	h.current, h.last, h.applied = next, index, index
	return true
}

// give adds a batch at an index of the caller's, which counts as applied even if nothing changes.
func (h *history) give(index uint64, steps []step) {
	if !h.apply(index, steps) {
		h.applied, h.empty[index] = index, true
	}
}

// revert adds the state after a restore, at a new index. The feed does not show it.
func (h *history) revert(to *saved) {
	h.applied++
	h.last = h.applied
	h.states[h.last] = &state{content: to.content}
	h.current = to.current
}

// canonical returns the encoding of an allocation.
func canonical(a *schema.Allocation) string {
	return string(new(schema.Codec).AppendAllocation(nil, a))
}

// plain is canonical without the indexes that the store sets on each write. CreateIndex
// stays, to tell a re-insert.
func plain(a *schema.Allocation) string {
	c := *a
	c.ModifyIndex, c.AllocModifyIndex = 0, 0
	return canonical(&c)
}

// equal returns a difference between got and want as an error, or nil.
func (want content) equal(got content) error {
	for id, bytes := range want {
		switch is, ok := got[id]; {
		case !ok:
			return fmt.Errorf("allocation %s is missing", id)
		case is != bytes:
			return fmt.Errorf("allocation %s is %q, should be %q", id, brief(is), brief(bytes))
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			return fmt.Errorf("allocation %s should not be there", id)
		}
	}
	return nil
}

// sameDigest returns an error if the digest of s is not the one that was first seen of this state.
func (want *state) sameDigest(s *store.Store, index uint64) error {
	at, digest := s.Digest()
	want.digest.CompareAndSwap(0, digest)
	if first := want.digest.Load(); at != index || digest != first {
		return fmt.Errorf("the digest is %x of index %d, should be %x of index %d", digest, at, first, index)
	}
	return nil
}

// brief returns the beginning of a long text.
func brief(s string) string { return s[:min(len(s), 200)] }
