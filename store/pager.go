package store

import (
	"sync"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/state"
)

// A pager goes through a list page by page, and looks up the members of a page side by side. It has
// some kilobytes of memory, which are reused: on the stack of a reader that waits for a list,
// and is then blocked again, they would stay.
type pager struct {
	st     *state.State
	cursor lists.Cursor
	ids    []schema.ID // of the page
	found  state.Lookups

	parsed [lists.PageLen]schema.ID // of getMany
}

var pagers = sync.Pool{New: func() any { return new(pager) }}

// newPager returns a pager of the members of a query as of an index. Release it.
func newPager(st *state.State, q *lists.Query, at uint64) *pager {
	p := pagers.Get().(*pager)
	p.st = st
	p.cursor.Init(&st.Lists, q, at)
	return p
}

// release gives the memory back. The pager must not be used any more.
func (p *pager) release() {
	p.st, p.ids = nil, nil
	pagers.Put(p)
}

// next goes to the next page, and reports whether there is one.
func (p *pager) next() bool {
	p.ids = p.cursor.Next()
	return len(p.ids) > 0
}

// lookUp looks up the page's members; found has the decoded allocations that are in memory.
func (p *pager) lookUp() { p.st.Table.Residents(p.ids, &p.found) }
