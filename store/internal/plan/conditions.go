package plan

import (
	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/state"
)

// A Condition must hold at the turn of its batch, before the batch's own writes.
//
// Without OfList, the allocation ID must have the ModifyIndex Index; if Index is 0, it must not exist.
// With OfList, the variant of the list must not have changed above Index. Changes below the floor or
// the last restore may be forgotten, so a list counts as changed there.
type Condition struct {
	OfList bool
	ID     schema.ID
	List   lists.Query
	Index  uint64
}

// NameLen returns the bytes of the name, prefix or ID in the condition.
func (c *Condition) NameLen() int {
	if c.OfList {
		return len(c.List.Name.Text) + len(c.List.Prefix)
	}
	return len(c.ID)
}

// groupLists has the lists that the planned batches of a group affect, each with its new index. They
// are not published yet, and later batches of the group may have conditions on them.
type groupLists struct {
	tracked bool // a batch of the group has a condition on a list
	index   map[listVariant]uint64
}

// A listVariant is a variant of a list.
type listVariant struct {
	name    lists.Name
	variant lists.Variant
}

// Track announces the conditions of a batch of the group, before the first Add: the lists that
// batches affect are noted only if a condition needs it.
func (p *Plan) Track(conditions []Condition) {
	for i := range conditions {
		p.lists.tracked = p.lists.tracked || conditions[i].OfList
	}
	if p.lists.tracked && p.lists.index == nil {
		p.lists.index = make(map[listVariant]uint64)
	}
}

// noteLists notes the lists that a change affects.
func (p *Plan) noteLists(ch *state.Change) {
	c := ch.OfLists()
	p.st.Lists.EachAffected(&c, func(n lists.Name, v lists.Variant) { p.lists.index[listVariant{n, v}] = c.Index })
}

func (g *groupLists) reset() {
	g.tracked = false
	clear(g.index)
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

// listIndex returns the index of a list as of the batches before. If that is not above the given one,
// the result may be lower.
func (p *Plan) listIndex(q *lists.Query, above uint64) uint64 {
	index := max(p.st.Lists.Floor(), p.restored, p.floor, 1) // a list's index is never below 1
	published := p.st.Lists.Index(q.Name, q.Variant)
	if q.Prefix == "" {
		index = max(index, published, p.lists.index[listVariant{q.Name, q.Variant}])
		if q.Name.Named() {
			index = max(index, p.lists.index[listVariant{lists.Name{Kind: lists.Unplaced}, q.Variant}])
		}
		return index
	}
	if published > above {
		index = max(index, newestIn(p.st, q))
	}
	for i := range p.changes {
		c := p.changes[i].OfLists()
		if q.IDs.Has(c.ID) && c.AffectsAll(q.Variant) {
			index = max(index, c.Index)
		}
	}
	return index
}

// newestIn returns the index of a list of a prefix, which no list keeps: the newest of its published
// members and departures.
func newestIn(st *state.State, q *lists.Query) (index uint64) {
	last := st.Index.Last()
	gone, touched := st.Lists.Since(q, 0, last)
	for _, d := range append(gone, touched...) {
		index = max(index, d.Index)
	}
	var cursor lists.Cursor
	cursor.Init(&st.Lists, q, last)
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
