package lists

import (
	"slices"

	"allocstore/schema"
)

// PageLen is the largest number of IDs that a Cursor copies out of a list at a time. It holds the lock
// for one page.
const PageLen = 128

// A Cursor pages through a list, in the order of the IDs, as of an index. The caller keeps the floor
// from rising above that. The cursor finds every ID that was a member at the index, and may find others,
// which arrived later: the caller looks at the allocations' versions.
//
// Members that have left since are in the history. The cursor reads on in the history before
// every page, since more may have left meanwhile.
type Cursor struct {
	ls      *Lists
	name    Name
	variant Variant
	rest    Range  // the IDs still to read
	at      uint64 // the index
	ended   bool

	list *list       // the one that was read last
	seen int         // the number of events of its history that were read or trimmed
	left []schema.ID // sorted: members that left after at and are in rest

	buf, other, merged [PageLen]schema.ID
}

// Init lets c begin at the first member of the query, as of the index at.
func (c *Cursor) Init(ls *Lists, q *Query, at uint64) {
	c.ls, c.name, c.variant, c.rest, c.at = ls, q.Name, q.Variant&NonTerminal, q.IDs, at
	c.ended, c.list, c.seen, c.left = false, nil, 0, nil
}

// Next returns the next IDs, none at the end. They are in memory of the cursor, and valid until the
// next call.
func (c *Cursor) Next() []schema.ID {
	if c.ended {
		return nil
	}
	page := c.page()
	if len(page) < PageLen || !c.rest.advance(page[len(page)-1]) {
		c.ended = true
	}
	return page
}

// page returns the next page. Only copying is done under the lock.
func (c *Cursor) page() []schema.ID {
	page, terminal, more := c.read()
	if len(terminal) > 0 {
		page = c.merge(page, terminal)
	}
	if more {
		slices.SortFunc(c.left, schema.ID.Compare)
		c.left = slices.Compact(c.left)
	}
	if len(c.left) > 0 {
		page = c.merge(page, c.left)
	}
	return page
}

// read copies the next members: those that are not terminal, and those that are. It adds to left the
// departures since the last page, and reports whether there are more.
func (c *Cursor) read() (page, terminal []schema.ID, more bool) {
	c.left = slices.DeleteFunc(c.left, func(id schema.ID) bool { return !c.rest.Has(id) })
	c.ls.mu.RLock()
	defer c.ls.mu.RUnlock()
	l := c.ls.getLocked(c.name)
	if l == nil {
		return nil, nil, false
	}
	if l != c.list {
		c.list, c.seen = l, l.trimmed+l.after(c.at)
	}
	events := l.history[max(c.seen-l.trimmed, 0):]
	c.seen = l.trimmed + len(l.history)
	before := len(c.left)
	for _, e := range events {
		if e.kind != touched && e.of.has(c.variant) && c.rest.Has(e.id) {
			c.left = append(c.left, e.id)
		}
	}
	page = l.sets[0].page(c.buf[:0], c.rest)
	if !c.variant.has(NonTerminal) {
		terminal = l.sets[1].page(c.other[:0], c.rest)
	}
	return page, terminal, len(c.left) > before
}

// merge merges a page with more IDs, both sorted, into a page that has each once.
func (c *Cursor) merge(a, b []schema.ID) []schema.ID {
	n := 0
	for ; n < PageLen && len(a)+len(b) > 0; n++ {
		var order int
		switch {
		case len(b) == 0:
			order = -1
		case len(a) == 0:
			order = 1
		default:
			order = a[0].Compare(b[0])
		}
		if order <= 0 {
			c.merged[n], a = a[0], a[1:]
		} else {
			c.merged[n] = b[0]
		}
		if order >= 0 {
			b = b[1:]
		}
	}
	return c.buf[:copy(c.buf[:], c.merged[:n])]
}
