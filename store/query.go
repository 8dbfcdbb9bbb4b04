package store

import (
	"errors"

	"allocstore/schema"
)

// A query says what a list is to hold: the IDs of one list, from low to high.
type query struct {
	kind      listKind
	name      string
	low, high schema.ID
	err       error // of a prefix that no ID starts with
}

// listQuery asks for all IDs of one list.
func listQuery(kind listKind, name string) query {
	q := prefixQuery("")
	q.kind, q.name = kind, name
	return q
}

// prefixQuery asks for all IDs that start with prefix.
func prefixQuery(prefix string) query {
	low, high, err := schema.IDRange(prefix)
	return query{kind: byAll, low: low, high: high, err: err}
}

// matches reports whether a belongs to the list, at the index where it is from.
func (q *query) matches(a *schema.Allocation) bool {
	switch q.kind {
	case byNode:
		return a.NodeID == q.name
	case byJob:
		return a.JobID == q.name
	case byEval:
		return a.EvalID == q.name
	}
	return true
}

// pageLen is how many IDs are copied out of the lists at a time. A list that is
// being read costs that much memory, and no lock between pages.
const pageLen = 128

// list returns the allocations of q at the snapshot's index. The lists say which
// IDs to look at, and the version at that index which belong to it. What cannot be
// read and may belong to any list comes at the end of each, as an error.
func (sn *Snapshot) list(q query) Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		if q.err != nil {
			yield(nil, q.err)
			return
		}
		more := sn.each(q, func(_ schema.ID, a *schema.Allocation, err error) bool {
			return err == nil && (a == nil || !q.matches(a)) || yield(a, err)
		})
		if more && q.kind < byKinds {
			sn.each(listQuery(unplaced, ""), func(id schema.ID, _ *schema.Allocation, err error) bool {
				return err == nil || sn.s.lists.has(listed{q.kind, q.name, id}) || yield(nil, err)
			})
		}
	}
}

// each calls fn with what each ID of the list is at the snapshot's index, which may be
// nothing, or why that cannot be read, until fn returns false or an error concerns more
// than that ID. It reports whether it has come to the list's end.
func (sn *Snapshot) each(q query, fn func(schema.ID, *schema.Allocation, error) bool) bool {
	buf := make([]schema.ID, 0, pageLen)
	for {
		page := sn.s.lists.page(buf, &q)
		if err := sn.usable(); err != nil {
			fn(schema.ID{}, nil, err)
			return false
		}
		for _, id := range page {
			a, err := sn.at(id)
			if more := fn(id, a, err); !more || err != nil && !errors.Is(err, ErrCorrupt) {
				return false
			}
		}
		if len(page) < pageLen || !q.advance(page[len(page)-1]) {
			return true
		}
	}
}

// advance makes the query one for what follows last, and reports whether an ID
// can follow it.
func (q *query) advance(last schema.ID) bool {
	for i := len(last) - 1; i >= 0; i-- {
		last[i]++
		if last[i] != 0 {
			q.low = last
			return q.low.Compare(q.high) <= 0
		}
	}
	return false
}
