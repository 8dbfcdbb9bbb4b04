package lists

import (
	"cmp"
	"maps"
	"slices"

	"allocstore/schema"
)

// A spot is the oracle's Place: it has names where a Place has numbers.
type spot struct {
	exists, unplaced bool
	names            Placement
	ended            bool
}

// in reports whether an allocation at s is in the list.
func (s spot) in(n Name) bool {
	switch {
	case !s.exists:
		return false
	case n.Named():
		return !s.unplaced && s.names[n.Kind] == n.Text
	}
	return n.Kind == Everything || s.unplaced
}

// A view is one variant of a list.
type view struct {
	name    Name
	variant Variant
}

// shows reports whether a reader of w finds an allocation at s.
func (w view) shows(s spot) bool { return s.in(w.name) && !(w.variant.has(NonTerminal) && s.ended) }

// has reports whether an allocation at s is a member. One of unknown placement may be in any list, and counts in all
// variants.
func (w view) has(s spot) bool {
	return s.in(w.name) && (w.name.Kind == Unplaced || !w.variant.has(NonTerminal) || !s.ended)
}

// A write is a change as the oracle sees it.
type write struct {
	id                schema.ID
	index             uint64
	was, is           spot
	scheduled, linked bool
}

// counts reports whether the write counts as a change of w.
func (c *write) counts(w view) bool {
	if before, after := w.has(c.was), w.has(c.is); !before || !after {
		return before || after
	}
	return !w.variant.has(Placements) || c.scheduled || c.linked
}

// reason returns the reason of a departure from w.
func (c *write) reason(w view) Reason {
	switch {
	case !c.is.exists:
		return Removed
	case !c.is.in(w.name):
		return Moved
	}
	return Terminated
}

// oracle does the same as Lists, in the most naive way: a map from ID to place, kept for every
// index above the floor, and all events of each view. It forgets no event.
type oracle struct {
	views   []view // all that a write may concern
	now     map[schema.ID]spot
	past    map[uint64]map[schema.ID]spot // by index
	last    uint64
	newest  map[view]uint64
	gone    map[view][]Departure
	touched map[view][]Departure
	log     []write
	forced  uint64 // since the last load, if there were unplaced members then: every list counts as changed
}

func newOracle(names []Name) *oracle {
	o := &oracle{now: make(map[schema.ID]spot), past: map[uint64]map[schema.ID]spot{0: {}}}
	for _, n := range names {
		for v := range Variant(variants) {
			o.views = append(o.views, view{n, v})
		}
	}
	o.newest = make(map[view]uint64)
	o.gone, o.touched = make(map[view][]Departure), make(map[view][]Departure)
	return o
}

// apply applies a write. The caller ends the index with end.
func (o *oracle) apply(c write) {
	o.log = append(o.log, c)
	o.now[c.id] = c.is
	if !c.is.exists {
		delete(o.now, c.id)
	}
	for _, w := range o.views {
		if !c.counts(w) {
			continue
		}
		o.newest[w] = c.index
		switch {
		case !w.has(c.is):
			o.gone[w] = append(o.gone[w], Departure{c.id, c.index, c.reason(w)})
		case w.variant.has(Placements) && !c.scheduled:
			o.touched[w] = append(o.touched[w], Departure{c.id, c.index, touched})
		}
	}
}

// end keeps the state as of the index.
func (o *oracle) end(index uint64) {
	o.last = index
	o.past[index] = maps.Clone(o.now)
}

// forget forgets the states below the floor.
func (o *oracle) forget(floor uint64) {
	maps.DeleteFunc(o.past, func(index uint64, _ map[schema.ID]spot) bool { return index < floor })
}

// index returns the index of w.
func (o *oracle) index(w view) uint64 {
	index := o.newest[w]
	if w.name.Kind != Everything {
		index = max(index, o.newest[view{Name{Kind: Unplaced}, w.variant}], o.forced)
	}
	return index
}

// members returns the members of w within a range at an index, in order.
func (o *oracle) members(w view, r Range, at uint64) []schema.ID {
	var ids []schema.ID
	for id, s := range o.past[at] {
		if w.shows(s) && r.Has(id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, schema.ID.Compare)
	return ids
}

// since filters the events of a view and, for a list of a name, of the same variant of the unplaced.
func (o *oracle) since(events map[view][]Departure, w view, r Range, above, to uint64) []Departure {
	all := slices.Clone(events[w])
	if w.name.Named() {
		all = append(all, events[view{Name{Kind: Unplaced}, w.variant}]...)
	}
	all = slices.DeleteFunc(all, func(d Departure) bool { return d.Index <= above || d.Index > to || !r.Has(d.ID) })
	return sorted(all)
}

// sorted sorts events by index, ID and reason: within an index their order has no meaning.
func sorted(all []Departure) []Departure {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b Departure) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), a.ID.Compare(b.ID), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}
