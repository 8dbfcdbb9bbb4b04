package main

import (
	"fmt"
	"maps"

	"allocstore/schema"
)

// A content is what a store holds: the canonical bytes of each allocation under its
// ID.
type content map[string]string

// A state is the store after one batch.
type state struct {
	content
	changes content // what the batch left of each allocation that it changed; "" for none
}

// A history is what a store should be, after each batch that it was given. It knows
// the rules from the design alone and shares no code with the store, the bytes aside.
type history struct {
	states  map[uint64]*state
	current map[string]*schema.Allocation // read-only, as are the allocations
	last    uint64
}

// newHistory returns the history of a store that was just created.
func newHistory() *history {
	return &history{states: map[uint64]*state{1: {content: content{}}}, last: 1}
}

// A step is one write of a batch: how it is asked of the store, and what it does.
type step struct {
	id string
	do func(in map[string]*schema.Allocation, index uint64)
	op func(b batch)
}

// batch is what a step asks of a store.Batch.
type batch interface {
	Upsert(*schema.Allocation)
	UpdateFromClient(*schema.Allocation)
	AppendTaskEvent(id, task, state string, ev schema.TaskEvent)
	Delete(id string)
}

// after returns what the steps at index make of the current state, and whether that
// is another one.
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

// apply takes note of a batch at index, and reports whether it changed anything.
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
	h.states[index] = &state{all, changed}
	h.current, h.last = next, index
	return true
}

// become takes note that the store has become what it was, at an index that it has not
// had. The feed has nothing of that.
func (h *history) become(to *saved) {
	h.last++
	h.states[h.last] = &state{content: to.content}
	h.current = to.current
}

// canonical is an allocation in bytes.
func canonical(a *schema.Allocation) string { return string(schema.AppendAllocation(nil, a)) }

// plain is canonical without what the store stamps on each write. A re-insert is
// told by its CreateIndex.
func plain(a *schema.Allocation) string {
	c := *a
	c.ModifyIndex, c.AllocModifyIndex = 0, 0
	return canonical(&c)
}

// equal returns how got differs from what it should be, or nil.
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

// brief is the beginning of a long text.
func brief(s string) string { return s[:min(len(s), 200)] }
