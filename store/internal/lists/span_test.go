package lists

import (
	"slices"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// A span is a cursor that is being read while the lists change.
type span struct {
	view
	c    Cursor
	ids  Range
	at   uint64
	want []schema.ID // the members at the index
	got  []schema.ID
}

// beginSpan begins a cursor at an index that the floor stays below.
func (g *rig) beginSpan() {
	if len(g.spans) >= 5 {
		return
	}
	s := &span{view: g.view(), ids: g.ids(), at: g.o.last}
	if s.name.Kind == Unplaced {
		s.variant &^= NonTerminal // the allocations of unknown placement have no such list
	}
	if g.next(2) == 0 {
		s.at = g.between(g.ls.Floor(), max(g.o.last, g.ls.Floor()))
	}
	known := s.at
	for g.o.past[known] == nil { // between two batches
		known--
	}
	s.want = g.o.members(s.view, s.ids, known)
	s.c.Init(g.ls, &Query{Name: s.name, Variant: s.variant, IDs: s.ids}, s.at)
	if g.next(2) == 0 {
		s.c.limit = 1 + g.next(40)
	}
	g.spans = append(g.spans, s)
}

// advance reads a page of some cursors.
func (g *rig) advance() {
	for _, s := range slices.Clone(g.spans) {
		if g.next(6) == 0 {
			s.next(g)
		}
	}
}

// next reads a page. At the end it checks that all members of the index were found.
func (s *span) next(g *rig) {
	page := s.c.Next()
	require.LessOrEqual(g.t, len(page), PageLen)
	s.got = append(s.got, page...)
	if len(page) > 0 {
		return
	}
	require.Empty(g.t, s.c.Next(), "a cursor stays at its end")
	g.spans = slices.DeleteFunc(g.spans, func(other *span) bool { return other == s })
	for i, id := range s.got {
		require.True(g.t, i == 0 || s.got[i-1].Compare(id) < 0, "the IDs ascend, so each comes once")
		require.True(g.t, s.ids.Has(id), "the IDs are in the range")
	}
	for _, id := range s.want {
		_, found := slices.BinarySearchFunc(s.got, id, schema.ID.Compare)
		require.True(g.t, found, "%v of %v, variant %d was a member at %d", id, s.name, s.variant, s.at)
	}
	s.checkOthers(g)
}

// checkOthers checks that the others that were found are members now, or have been since.
func (s *span) checkOthers(g *rig) {
	since := make(map[schema.ID]bool)
	for _, d := range g.o.gone[s.view] {
		since[d.ID] = since[d.ID] || d.Index > s.at
	}
	for _, id := range s.got {
		_, want := slices.BinarySearchFunc(s.want, id, schema.ID.Compare)
		require.True(g.t, want || since[id] || s.has(g.o.now[id]), "%v never was a member of %v, variant %d, since %d", id, s.name, s.variant, s.at)
	}
}
