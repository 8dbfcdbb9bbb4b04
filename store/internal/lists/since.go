package lists

import (
	"cmp"
	"slices"

	"allocstore/schema"
)

// A Departure is an allocation that left a list, or a variant of one.
type Departure struct {
	ID     schema.ID
	Index  uint64
	Reason Reason
}

// Since returns the departures from the members of a query above one index and up to another, in the
// order of their indexes. touches has the members that the query's variant counts as changed between
// the two although their AllocModifyIndex is older. Both results are copies.
//
// Departures up to the floor may be missing: the caller keeps the floor from rising above that index.
func (ls *Lists) Since(q *Query, above, to uint64) (gone, touches []Departure) {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	add := func(l *list) {
		for _, e := range l.history[l.after(above):] {
			switch {
			case e.index > to:
				return
			case !e.of.has(q.Variant) || !q.IDs.Has(e.id):
			case e.kind == touched:
				touches = append(touches, Departure{e.id, e.index, e.kind})
			default:
				gone = append(gone, Departure{e.id, e.index, e.kind})
			}
		}
	}
	if l := ls.getLocked(q.Name); l != nil {
		add(l)
	}
	if q.Name.Named() && len(ls.mu.unplaced.history) > 0 {
		add(&ls.mu.unplaced)
		sortByIndex(gone)
		sortByIndex(touches)
	}
	return gone, touches
}

func sortByIndex(all []Departure) {
	slices.SortStableFunc(all, func(a, b Departure) int { return cmp.Compare(a.Index, b.Index) })
}
