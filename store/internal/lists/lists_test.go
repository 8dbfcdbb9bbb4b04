package lists

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// newLists returns empty lists.
func newLists() *Lists {
	ls := new(Lists)
	ls.Init()
	return ls
}

// arrive applies the arrival of an allocation.
func arrive(ls *Lists, id byte, index uint64, names Placement, e TerminalFlags) Place {
	p := ls.Place(&names, e)
	ls.Apply(&Change{ID: schema.ID{id}, Index: index, Is: p, Scheduled: true})
	return p
}

func TestNumberIsFreedWithTheHistory(t *testing.T) {
	t.Parallel()
	ls := newLists()
	p := arrive(ls, 1, 1, Placement{ByNode: "a"}, 0)
	ls.DropUnused()
	ls.Apply(&Change{ID: schema.ID{1}, Index: 2, Was: p})
	other := arrive(ls, 2, 3, Placement{ByNode: "b"}, 0)
	ls.DropUnused()
	require.NotEqual(t, p.numbers[ByNode], other.numbers[ByNode], "a list without members has its number as long as it has a history")
	require.EqualValues(t, 2, ls.Index(Name{ByNode, "a"}, 0), "the index has the departure")

	ls.Trim(2)
	require.Zero(t, ls.Index(Name{ByNode, "a"}, 0), "the list is forgotten")
	third := arrive(ls, 3, 4, Placement{ByNode: "c"}, 0)
	require.Equal(t, p.numbers[ByNode], third.numbers[ByNode], "a free number is used again")
	require.False(t, ls.Has(Name{ByNode, "a"}, schema.ID{3}))
	require.True(t, ls.Has(Name{ByNode, "c"}, schema.ID{3}))
}

func TestUnusedListsAreDroppedOnce(t *testing.T) {
	t.Parallel()
	ls := newLists()
	names := Placement{ByNode: "a", ByJob: "a", ByEval: "a"}
	ls.Place(&names, 0)
	p := ls.Place(&names, 0)
	require.Len(t, ls.unused, namedKinds, "a list is noted once")
	arrive(ls, 1, 1, names, 0)
	ls.Apply(&Change{ID: schema.ID{1}, Index: 1, Was: p})
	ls.Trim(1) // the history ends before the list counts as used
	ls.DropUnused()
	for i := range ls.mu.named {
		require.Empty(t, ls.mu.named[i].byName)
		require.Equal(t, []uint32{p.numbers[i]}, ls.mu.named[i].free, "a number is free once")
	}
	require.Empty(t, ls.Names())
}

// TestListsKeepNoNames has the text of a name change after the call, as that of a record in a buffer.
func TestListsKeepNoNames(t *testing.T) {
	t.Parallel()
	ls := newLists()
	text := []byte("node")
	arrive(ls, 1, 1, Placement{ByNode: unsafe.String(&text[0], len(text))}, 0)
	text[0] = 'X'
	require.Equal(t, 1, ls.Count(&Query{Name: Name{ByNode, "node"}, IDs: All()}))
	require.Contains(t, ls.Names(), Name{ByNode, "node"})
}

func TestReasons(t *testing.T) {
	t.Parallel()
	ls := newLists()
	var was Place
	index := uint64(0)
	to := func(is Place, scheduled bool) {
		index++
		ls.Apply(&Change{ID: schema.ID{1}, Index: index, Was: was, Is: is, Scheduled: scheduled})
		was = is
	}
	a := ls.Place(&Placement{ByNode: "a", ByJob: "j"}, 0)
	ended := a
	ended.Terminal = ClientTerminal
	b := ls.Place(&Placement{ByNode: "b", ByJob: "j"}, ClientTerminal)
	to(a, true)
	to(ended, false) // 2: terminated
	to(a, false)     // 3: revived
	to(b, true)      // 4: moved and terminal
	to(Place{}, true)
	reasons := func(n Name, v Variant) (found []Reason) {
		gone, touches := ls.Since(&Query{Name: n, Variant: v, IDs: All()}, 0, index)
		for _, d := range append(gone, touches...) {
			require.Equal(t, schema.ID{1}, d.ID)
			found = append(found, d.Reason)
		}
		return found
	}
	require.Equal(t, []Reason{Moved}, reasons(Name{ByNode, "a"}, 0))
	require.Equal(t, []Reason{Removed}, reasons(Name{ByNode, "b"}, 0))
	require.Empty(t, reasons(Name{ByNode, "b"}, NonTerminal), "a terminal allocation leaves no list without them")
	require.Equal(t, []Reason{Removed}, reasons(Name{ByJob, "j"}, 0))
	require.Equal(t, []Reason{Terminated, Terminated}, reasons(Name{ByJob, "j"}, NonTerminal))
	require.Equal(t, []Reason{Terminated, Moved}, reasons(Name{ByNode, "a"}, NonTerminal))
	require.Equal(t, []Reason{Terminated, Moved, touched}, reasons(Name{ByNode, "a"}, NonTerminal|Placements), "a revival is an arrival")
}

// TestFloorsOnlyRise trims below the floor.
func TestFloorsOnlyRise(t *testing.T) {
	t.Parallel()
	ls := newLists()
	ls.Trim(5)
	ls.Trim(4)
	require.EqualValues(t, 5, ls.Floor())
}

// TestCursorBesideReturns has allocations leave twice between two pages.
func TestCursorBesideReturns(t *testing.T) {
	t.Parallel()
	ls := newLists()
	p := ls.Place(&Placement{ByNode: "a"}, 0)
	id := func(i int) schema.ID { return schema.ID{0: byte(i >> 8), 1: byte(i)} }
	const n = 3*PageLen + 1
	for i := range n {
		ls.Apply(&Change{ID: id(i), Index: 1, Is: p, Scheduled: true})
	}
	ls.DropUnused()
	var c Cursor
	c.Init(ls, &Query{Name: Name{ByNode, "a"}, Variant: Placements, IDs: All()}, 1)
	got := slices.Clone(c.Next())
	for i := range n {
		ls.Apply(&Change{ID: id(i), Index: 2, Was: p})
		ls.Apply(&Change{ID: id(i), Index: 3, Is: p, Scheduled: true})
		ls.Apply(&Change{ID: id(i), Index: 4, Was: p})
	}
	ls.Trim(1)
	for page := c.Next(); len(page) > 0; page = c.Next() {
		got = append(got, page...)
	}
	require.Len(t, got, n)
	for i := range got {
		require.Equal(t, id(i), got[i], "each member of the index comes once, in order")
	}
	c.Init(ls, &Query{Name: Name{ByNode, "a"}, IDs: All()}, 4)
	require.Empty(t, c.Next(), "the list is empty now")
}
