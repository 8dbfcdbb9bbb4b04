package lists

import (
	"slices"
	"sort"

	"allocstore/schema"
)

// A list is one list: its members, and when they changed. An update of a member that stays
// touches only the first fields.
type list struct {
	// index has the index of the newest change of each variant, 0 for none.
	index [variants]uint64

	// history has the departures, and the changes under Placements that AllocModifyIndex does
	// not show. trimmed counts the events that were removed from its front.
	// Invariant: the indexes ascend.
	history []event
	trimmed int

	// sets has the members: those that are not terminal, and those that are; see Place.set.
	sets [2]idset

	name   Name
	number uint32
	unused bool // it is in Lists.unused
}

// An event is a departure from a list, or a touch: see touched.
type event struct {
	id    schema.ID
	index uint64
	of    variantSet // the variants that it concerns
	kind  Reason
}

// Reason is the reason of an event.
type Reason uint8

// Reasons of departures, and touched.
const (
	Removed    Reason = iota + 1 // it was deleted
	Moved                        // it is in another list
	Terminated                   // it became terminal

	// touched: the member changed under Placements, though AllocModifyIndex stays. Its
	// NextAllocation was set, or under NonTerminal the client revived it.
	touched
)

// A variantSet is a set of variants: bit v for the variant v.
type variantSet uint8

func (s variantSet) has(v Variant) bool { return s>>v&1 != 0 }

const (
	ofAll        variantSet = 1<<variants - 1
	ofTerminal   variantSet = 1 | 1<<Placements // those that have terminal members
	ofPlacements variantSet = 1<<Placements | 1<<(Placements|NonTerminal)
)

// A Change is the effect of one write on an allocation.
type Change struct {
	ID      schema.ID
	Index   uint64
	Was, Is Place

	Scheduled bool // the scheduler wrote it: AllocModifyIndex is Index
	Linked    bool // NextAllocation was set, or set to another ID
}

// variantsWith returns the variants of a list of that kind that have an allocation at p as a member.
// All variants of Unplaced do: the status of such an allocation may be unknown too.
func variantsWith(of Kind, p *Place) variantSet {
	if p.Terminal != 0 && of != Unplaced {
		return ofTerminal
	}
	return ofAll
}

// effect returns the variants of a list that the change affects: their index becomes that of the
// change. was and is tell whether the allocation was in the list and is in it. left has the variants
// that it left, and touched those of a touch.
func (c *Change) effect(of Kind, was, is bool) (affected, left, touched variantSet) {
	var before, after variantSet
	if was {
		before = variantsWith(of, &c.Was)
	}
	if is {
		after = variantsWith(of, &c.Is)
	}
	left = before &^ after
	arrived, stayed := after&^before, before&after
	affected = left | arrived | stayed
	if !c.Scheduled {
		if !c.Linked {
			affected &^= stayed & ofPlacements
		}
		touched = (affected &^ left) & ofPlacements
	}
	return affected, left, touched
}

// apply applies the change to the list. It reports whether the history was empty and is not now.
func (l *list) apply(c *Change, was, is bool) (began bool) {
	l.updateSets(c, was, is)
	return l.remember(c, was, is)
}

// updateSets puts the allocation into the set where it belongs after the change.
func (l *list) updateSets(c *Change, was, is bool) {
	from, to := c.Was.set(), c.Is.set()
	if was && is && from == to {
		return
	}
	if was {
		l.sets[from].remove(c.ID)
	}
	if is {
		l.sets[to].add(c.ID)
	}
}

// remember raises the indexes and adds to the history, and reports as apply does.
func (l *list) remember(c *Change, was, is bool) (began bool) {
	affected, left, touches := c.effect(l.name.Kind, was, is)
	for v := range l.index {
		if affected.has(Variant(v)) {
			l.index[v] = c.Index
		}
	}
	before := len(l.history)
	if left != 0 {
		l.history = append(l.history, event{c.ID, c.Index, left, c.reason(is)})
	}
	if touches != 0 && was {
		l.history = append(l.history, event{c.ID, c.Index, touches, touched})
	}
	return before == 0 && len(l.history) > 0
}

// reason returns the reason of a departure from a list that the allocation still is in, or not.
func (c *Change) reason(is bool) Reason {
	switch {
	case c.Is.Nowhere():
		return Removed
	case !is:
		return Moved
	}
	return Terminated
}

// after returns the position in the history of the first event above index.
func (l *list) after(index uint64) int {
	return sort.Search(len(l.history), func(i int) bool { return l.history[i].index > index })
}

// trim forgets the events up to the floor.
func (l *list) trim(floor uint64) {
	n := l.after(floor)
	l.trimmed += n
	l.history = slices.Delete(l.history, 0, n)
	if len(l.history) < cap(l.history)/4 {
		l.history = append([]event(nil), l.history...) // nil if it is empty
	}
}

func (l *list) empty() bool {
	return l.sets[0].empty() && l.sets[1].empty() && len(l.history) == 0
}
