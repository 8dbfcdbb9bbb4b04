package store

import (
	"fmt"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/state"
)

// A condition is one that a batch expects to hold at its turn, before its own writes.
type condition struct {
	id    schema.ID // of an Expect
	list  Selector  // of an ExpectList, else the zero value
	query lists.Query
	index uint64
}

// conditions are those of a batch, in the order in which they were added.
type conditions struct {
	all  []condition
	errs []error
}

// Expect makes the batch conditional: when its turn comes, the allocation must have this
// ModifyIndex, or must not exist if it is 0. Otherwise Apply changes nothing and returns a
// *ConflictError. What earlier batches wrote counts, those of the same commit too; what the batch
// itself writes does not.
func (b *Batch) Expect(id string, modifyIndex uint64) {
	parsed, err := schema.ParseID(id)
	if !b.unexpected("Expect", err) {
		b.expect(condition{id: parsed, index: modifyIndex}, len(parsed))
	}
}

// ExpectList makes the batch conditional, as Expect does: nothing in the list may be newer than
// index, which is that of a Snapshot, or of a ListResult. Arrivals, changes and departures count, as
// in WaitList. An index below the floor of compaction or below the last restore is a conflict,
// since what has happened above it is no longer known. An index of the future is met.
//
// It costs the writer no time to speak of, except with a Prefix: then every allocation with the
// prefix is looked at.
//
// So a scheduler takes a Snapshot, looks at a node's list, decides, and places with
//
//	b.ExpectList(store.Node(n).NonTerminal().Placements(), snapshot.Index())
//
// If another scheduler has placed there meanwhile, or what had ended there runs again, it starts
// over.
func (b *Batch) ExpectList(sel Selector, index uint64) {
	q, err := sel.query()
	if !b.unexpected("ExpectList", err) {
		b.expect(condition{list: sel, query: q, index: index}, len(sel.text))
	}
}

// expect adds c, which takes about size bytes.
func (b *Batch) expect(c condition, size int) {
	b.conditions.all = append(b.conditions.all, c)
	b.size += size
}

// unexpected reports whether a condition has the fault err, which it keeps.
func (b *Batch) unexpected(what string, err error) bool {
	if err != nil {
		at := len(b.conditions.all) + len(b.conditions.errs)
		b.conditions.errs = append(b.conditions.errs, fmt.Errorf("batch condition %d, %s: %w", at, what, err))
	}
	return err != nil
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

// track begins a group. The moves are tracked only if they are needed.
func (p *plan) track(batches []*request) {
	clear(p.moves.lists)
	p.moves.tracked = false
	for _, r := range batches {
		for i := range r.batch.conditions.all {
			p.moves.tracked = p.moves.tracked || r.batch.conditions.all[i].list != Selector{}
		}
	}
	if p.moves.tracked && p.moves.lists == nil {
		p.moves.lists = make(map[movedList]uint64)
	}
}

// noteMoves notes what a change moves.
func (p *plan) noteMoves(ch *state.Change) {
	c := ch.OfLists()
	p.st.Lists.Moved(&c, func(n lists.Name, v lists.Variant) { p.moves.lists[movedList{n, v}] = c.Index })
}

// require returns a *ConflictError if a condition of the batch does not hold.
func (p *plan) require(b *Batch) error {
	for i := range b.conditions.all {
		c := &b.conditions.all[i]
		conflict := &ConflictError{List: c.list, Expected: c.index}
		if c.list == (Selector{}) {
			conflict.ID, conflict.Actual = c.id.String(), p.modifyIndex(&c.id)
			if conflict.Actual == c.index {
				continue
			}
		} else if conflict.Actual = p.listIndex(&c.query, c.index); conflict.Actual <= c.index {
			continue
		}
		return fmt.Errorf("batch condition %d: %w", i, conflict)
	}
	return nil
}

// modifyIndex returns the ModifyIndex of an allocation, 0 if there is none.
func (p *plan) modifyIndex(id *schema.ID) uint64 {
	if v := p.newest(id); v != nil && !v.Tombstone() {
		return v.Modified()
	}
	return 0
}

// listIndex returns the index of a list, if it is above the given one.
func (p *plan) listIndex(q *lists.Query, above uint64) uint64 {
	index := max(p.st.Lists.Floor(), p.st.Restored)
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

// newestIn returns the index of a list by what is published of its members and departures.
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
