package lists

import (
	"cmp"
	"slices"

	"allocstore/schema"
)

// Moved calls fn for each variant of a list that the change moves, before or after it is applied.
// The goroutine that applies the changes may call it.
func (ls *Lists) Moved(c *Change, fn func(n Name, v Variant)) {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	ls.eachLocked(c, func(l *list, was, is bool) {
		moved, _, _ := c.effect(l.name.Kind, was, is)
		for v := range Variant(variants) {
			if moved.has(v) {
				fn(l.name, v)
			}
		}
	})
}

// AppendMoved appends the WatchIDs to notify of the change: those of the lists that it moves, and of
// the prefixes of its ID, if their class is waited for.
func (ls *Lists) AppendMoved(ids []WatchID, c *Change, waited *ClassSet) []WatchID {
	ls.Moved(c, func(n Name, v Variant) {
		if n.Named() && waited.has(ClassOf(n.Kind, v)) {
			ids = append(ids, n.Watch(v))
		}
	})
	moved := c.ofAll()
	for class := range waited.all(PrefixClass(0, 0)) {
		v := Variant(class % variants)
		if moved.has(v) {
			ids = append(ids, Prefix(c.ID, int(class-PrefixClass(0, 0))/variants, v))
		}
	}
	return ids
}

// ofAll returns the variants of the list of all allocations that the change moves.
func (c *Change) ofAll() variantSet {
	moved, _, _ := c.effect(Everything, !c.Was.Nowhere(), !c.Is.Nowhere())
	return moved
}

// MovesAll reports whether the change moves a variant of the list of all allocations, and so of
// every prefix of its ID.
func (c *Change) MovesAll(v Variant) bool { return c.ofAll().has(v) }

// LeavesUnplaced reports whether the change takes an allocation from where it was unknown in which
// lists it is: it may have been in any.
func (c *Change) LeavesUnplaced() bool { return c.Was.Unplaced() && !c.Is.Unplaced() }

// A Departure is an allocation that left a list, or a variant of one.
type Departure struct {
	ID     schema.ID
	Index  uint64
	Reason Reason
}

// Since returns the departures from a variant of a list, within a range of IDs, above one index and
// up to another, in the order of their indexes. touches has the members that the variant counts
// as changed between them though AllocModifyIndex does not tell.
//
// The departures up to the floor may be missing; the caller keeps the floor below.
func (ls *Lists) Since(n Name, v Variant, r Range, above, to uint64) (gone, touches []Departure) {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	add := func(l *list) {
		for _, e := range l.history[l.after(above):] {
			switch {
			case e.index > to:
				return
			case !e.of.has(v) || !r.Has(e.id):
			case e.kind == touched:
				touches = append(touches, Departure{e.id, e.index, e.kind})
			default:
				gone = append(gone, Departure{e.id, e.index, e.kind})
			}
		}
	}
	if l := ls.getLocked(n); l != nil {
		add(l)
	}
	if n.Named() && len(ls.mu.unplaced.history) > 0 {
		add(&ls.mu.unplaced)
		sortByIndex(gone)
		sortByIndex(touches)
	}
	return gone, touches
}

func sortByIndex(all []Departure) {
	slices.SortStableFunc(all, func(a, b Departure) int { return cmp.Compare(a.Index, b.Index) })
}
