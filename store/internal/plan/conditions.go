package plan

import (
	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/state"
)

// A Condition is one that a batch expects to hold at its turn, before its own writes.
//
// Without OfList, the ModifyIndex of the allocation ID must be Index, or the allocation must not
// exist if that is 0. With it, nothing in List may be newer than Index: no arrival, change or
// departure that its variant counts. What is forgotten, below the floor or the last restore, counts
// as a change there.
type Condition struct {
	OfList bool
	ID     schema.ID
	List   lists.Query
	Index  uint64
}

// groupMoves are the lists that the batches of one group move before they are published, for
// the conditions of later batches.
type groupMoves struct {
	tracked bool // a batch of the group has a condition on a list
	lists   map[movedList]uint64
}

// A movedList is a variant of a list.
type movedList struct {
	name    lists.Name
	variant lists.Variant
}

// Track announces the conditions of a batch of the group, before the first Add: the lists that
// batches move are noted only if a condition needs it.
func (p *Plan) Track(conditions []Condition) {
	for i := range conditions {
		p.moves.tracked = p.moves.tracked || conditions[i].OfList
	}
	if p.moves.tracked && p.moves.lists == nil {
		p.moves.lists = make(map[movedList]uint64)
	}
}

// noteMoves notes the lists that a change moves.
func (p *Plan) noteMoves(ch *state.Change) {
	c := ch.OfLists()
	p.st.Lists.Moved(&c, func(n lists.Name, v lists.Variant) { p.moves.lists[movedList{n, v}] = c.Index })
}

func (m *groupMoves) reset() {
	m.tracked = false
	clear(m.lists)
}

// require returns a *Conflict for the first condition that does not hold.
func (p *Plan) require(conditions []Condition) error {
	for i := range conditions {
		c := &conditions[i]
		if actual, ok := p.holds(c); !ok {
			return &Conflict{Condition: i, Actual: actual}
		}
	}
	return nil
}

// holds returns the index that a condition compares with its own, and whether it holds.
func (p *Plan) holds(c *Condition) (actual uint64, ok bool) {
	if c.OfList {
		actual = p.listIndex(&c.List, c.Index)
		return actual, actual <= c.Index
	}
	actual = p.modifyIndex(&c.ID)
	return actual, actual == c.Index
}

// modifyIndex returns the ModifyIndex of an allocation, 0 if there is none.
func (p *Plan) modifyIndex(id *schema.ID) uint64 {
	if v := p.Newest(id); v != nil && !v.Tombstone() {
		return v.Modified()
	}
	return 0
}

// listIndex returns the index of a list, if it is above the given one.
func (p *Plan) listIndex(q *lists.Query, above uint64) uint64 {
	index := max(p.st.Lists.Floor(), p.st.Restored, 1) // a list's index is never below 1
	published := p.st.Lists.Index(q.Name, q.Variant)
	if q.Prefix == "" {
		index = max(index, published, p.moves.lists[movedList{q.Name, q.Variant}])
		if q.Name.Named() {
			index = max(index, p.moves.lists[movedList{lists.Name{Kind: lists.Unplaced}, q.Variant}])
		}
		return index
	}
	if published > above {
		index = max(index, newestIn(p.st, q))
	}
	for i := range p.changes {
		c := p.changes[i].OfLists()
		if q.IDs.Has(c.ID) && c.MovesAll(q.Variant) {
			index = max(index, c.Index)
		}
	}
	return index
}

// newestIn returns the index of a list by its published members and departures.
func newestIn(st *state.State, q *lists.Query) (index uint64) {
	last := st.Index.Last()
	gone, touched := st.Lists.Since(q.Name, q.Variant, q.IDs, 0, last)
	for _, d := range append(gone, touched...) {
		index = max(index, d.Index)
	}
	var cursor lists.Cursor
	cursor.Init(&st.Lists, q.Name, q.Variant, q.IDs, last)
	for page := cursor.Next(); len(page) > 0; page = cursor.Next() {
		for i := range page {
			switch v := st.Table.Get(&page[i]); {
			case v == nil:
			case q.Placements():
				index = max(index, v.Scheduled())
			default:
				index = max(index, v.Modified())
			}
		}
	}
	return index
}
