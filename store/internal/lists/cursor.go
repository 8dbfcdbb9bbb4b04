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
// every page, since more may have left meanwhile. It remembers a limited number, those with the lowest
// IDs. When it has passed these it reads the history from the beginning, for the next ones.
type Cursor struct {
	ls      *Lists
	name    Name
	variant Variant
	rest    Range  // the IDs still to read
	at      uint64 // the index
	ended   bool

	list *list // the one that was read last; nil to read its history from the beginning
	seen int   // the number of events of its history that were read or trimmed

	// left has the members that left after at and are in rest, sorted. If cut is set it lacks those
	// above its last one.
	left  []schema.ID
	cut   bool
	limit int // of left, and of the events read at a time

	buf, other, merged [PageLen]schema.ID
}

// maxLeft is the number of departures that a Cursor remembers.
const maxLeft = 4096

// Init lets c begin at the first member of the query, as of the index at.
func (c *Cursor) Init(ls *Lists, q *Query, at uint64) {
	c.ls, c.name, c.variant, c.rest, c.at = ls, q.Name, q.Variant&NonTerminal, q.IDs, at
	c.ended, c.list, c.seen, c.left, c.cut, c.limit = false, nil, 0, nil, false, maxLeft
}

// Next returns the next IDs, none at the end. They are in memory of the cursor, and valid until the
// next call.
func (c *Cursor) Next() []schema.ID {
	if c.ended {
		return nil
	}
	page := c.page()
	if len(page) < PageLen && !c.cut || !c.rest.advance(page[len(page)-1]) {
		c.ended = true
	}
	return page
}

// page returns the next page. Only copying is done under the lock. If left is cut, its last ID ends
// the page at the latest, and a page that is short ends there.
func (c *Cursor) page() []schema.ID {
	c.left = slices.DeleteFunc(c.left, func(id schema.ID) bool { return !c.rest.Has(id) })
	if len(c.left) == 0 && c.cut {
		c.list, c.cut = nil, false
	}
	var page, terminal []schema.ID
	for more := true; more; {
		known := len(c.left)
		page, terminal, more = c.read()
		if len(c.left) > known {
			c.tidy()
		}
	}
	if c.cut {
		last := c.left[len(c.left)-1]
		page, terminal = upTo(page, last), upTo(terminal, last)
	}
	if len(terminal) > 0 {
		page = c.merge(page, terminal)
	}
	if len(c.left) > 0 {
		page = c.merge(page, c.left)
	}
	return page
}

// tidy sorts left, and cuts it to the limit.
func (c *Cursor) tidy() {
	slices.SortFunc(c.left, schema.ID.Compare)
	c.left = slices.Compact(c.left)
	if len(c.left) > c.limit {
		c.left, c.cut = c.left[:c.limit], true
	}
}

// upTo returns the IDs that are not above last.
func upTo(ids []schema.ID, last schema.ID) []schema.ID {
	n, found := slices.BinarySearchFunc(ids, last, schema.ID.Compare)
	if found {
		n++
	}
	return ids[:n]
}

// read reads on in the history and adds the departures to left. If there are more events than the
// limit, it reads that many and returns true. Otherwise it copies the next members: those that are not
// terminal, and those that are.
func (c *Cursor) read() (page, terminal []schema.ID, more bool) {
	end := c.rest
	if c.cut {
		end.High = c.left[len(c.left)-1]
	}
	c.ls.mu.RLock()
	defer c.ls.mu.RUnlock()
	l := c.ls.getLocked(c.name)
	if l == nil {
		return nil, nil, false
	}
	if l != c.list {
		c.list, c.seen = l, l.trimmed+l.after(c.at)
	}
	c.seen = max(c.seen, l.trimmed)
	events := l.history[c.seen-l.trimmed:]
	if more = len(events) > c.limit; more {
		events = events[:c.limit]
	}
	c.seen += len(events)
	for _, e := range events {
		if e.kind != touched && e.of.has(c.variant) && end.Has(e.id) {
			c.left = append(c.left, e.id)
		}
	}
	if more {
		return nil, nil, true
	}
	page = l.sets[0].page(c.buf[:0], c.rest)
	if !c.variant.has(NonTerminal) {
		terminal = l.sets[1].page(c.other[:0], c.rest)
	}
	return page, terminal, false
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
