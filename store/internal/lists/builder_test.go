package lists

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestBuilderSortsMembers has more members than are sorted in one piece.
func TestBuilderSortsMembers(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, sequential := range []bool{false, true} {
		ids := randomIDs(r, 10_000, sequential)
		ls := newLists()
		b := NewBuilder(ls, 7)
		var all []Member
		want := make(map[Name][2]int)
		for _, i := range r.Perm(len(ids)) {
			names, e := Placement{ByNode: fmt.Sprint("node ", r.IntN(30)), ByJob: "job"}, TerminalFlags(r.IntN(2))
			all = append(all, Member{ids[i], b.Place(&names, e)})
			for kind, text := range names {
				n := want[Name{Kind(kind), text}]
				n[e]++
				want[Name{Kind(kind), text}] = n
			}
		}
		b.Finish(all, 100)
		for n, counts := range want {
			require.Equal(t, counts[0]+counts[1], ls.Count(&Query{Name: n, IDs: All()}))
			require.Equal(t, counts[0], ls.Count(&Query{Name: n, Variant: NonTerminal, IDs: All()}))
			require.Zero(t, ls.Index(n, 0), "the indexes are forgotten")
		}
		require.Len(t, ls.Names(), len(want)+1)
		requireOrder(t, ls, len(ids))
	}
}

// requireOrder checks that a cursor finds n members in order, and that the sets can still be changed.
func requireOrder(t *testing.T, ls *Lists, n int) {
	t.Helper()
	var c Cursor
	c.Init(ls, &Query{Name: Name{Kind: Everything}, IDs: All()}, 100)
	var ids []schema.ID
	for page := c.Next(); len(page) > 0; page = c.Next() {
		ids = append(ids, page...)
	}
	require.Len(t, ids, n)
	for i, id := range ids {
		if i > 0 && ids[i-1].Compare(id) >= 0 {
			require.Less(t, ids[i-1], id, "the IDs ascend")
		}
		require.True(t, ls.Has(Name{ByJob, "job"}, id))
	}
}

// TestBuilderFull fills chunks to the last place.
func TestBuilderFull(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, maxChunk, maxChunk + 1, 3 * maxChunk} {
		ls := newLists()
		b := NewBuilder(ls, 0)
		var all []Member
		for i := range n {
			all = append(all, Member{schema.ID{1: byte(i >> 8), 2: byte(i)}, b.Place(&Placement{}, 0)})
		}
		b.Finish(all, 1)
		arrive(ls, 0xff, 2, Placement{}, 0)
		arrive(ls, 0, 3, Placement{}, 0) // the ID of the first, if there is one
		require.Equal(t, max(n, 1)+1, ls.Count(&Query{Name: Name{ByNode, ""}, IDs: All()}))
	}
}

func TestBuilderOfUnplaced(t *testing.T) {
	t.Parallel()
	ls := newLists()
	b := NewBuilder(ls, 3)
	ended := UnknownPlace()
	ended.Terminal = ClientTerminal
	b.Finish([]Member{{schema.ID{2}, ended}, {schema.ID{1}, UnknownPlace()}, {schema.ID{3}, b.Place(&Placement{ByNode: "a"}, 0)}}, 9)
	for v := range Variant(variants) {
		require.EqualValues(t, 9, ls.Index(Name{ByNode, "a"}, v), "every list counts as changed")
		require.EqualValues(t, 9, ls.Index(Name{ByNode, "b"}, v), "also one without members")
		require.EqualValues(t, 9, ls.Index(Name{Kind: Unplaced}, v))
		require.Zero(t, ls.Index(Name{Kind: Everything}, v), "the list of all is known")
	}
	require.Equal(t, 2, ls.Count(&Query{Name: Name{Kind: Unplaced}, IDs: All()}))
	require.Equal(t, 1, ls.Count(&Query{Name: Name{Kind: Unplaced}, Variant: NonTerminal, IDs: All()}))
	require.Equal(t, 3, ls.Count(&Query{Name: Name{Kind: Everything}, IDs: All()}))
}

// loadedPair returns lists in use and the same from the log. The list of node "0" has departures, and an index in every
// variant.
func loadedPair(t *testing.T) (used, loaded *Lists, last uint64) {
	for {
		seed := rand.Uint64()
		t.Logf("seed %#x", seed)
		g := newRig(t, ops(seed, 3000))
		g.keeps = true
		for len(g.bytes) > 0 {
			g.batch()
		}
		l := g.ls.getLocked(Name{ByNode, "0"})
		if l == nil || len(l.history) < 3 || slices.Min(l.index[:]) < 3 {
			continue // the spoiled list would be the same
		}
		loaded, _ = g.build(0)
		require.Empty(t, g.ls.Differences(loaded, g.o.last))
		return g.ls, loaded, g.o.last
	}
}

func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	name := Name{ByNode, "0"}
	for what, spoil := range map[string]func(l *list){
		"an index is lower":           func(l *list) { l.index[Placements] = 1 },
		"an index is one lower":       func(l *list) { l.index[NonTerminal]-- },
		"a departure is missing":      func(l *list) { l.history = l.history[1:] },
		"there is no history":         func(l *list) { l.history = nil },
		"a departure is there twice":  func(l *list) { l.history = append(l.history[:1:1], l.history...) },
		"another ID left":             func(l *list) { l.history[0].id[15] ^= 1 },
		"it left at another index":    func(l *list) { l.history[0].index-- },
		"it left for another reason":  func(l *list) { l.history[0].kind ^= 3 },
		"it left another variant":     func(l *list) { l.history[0].of ^= 8 },
		"the list is forgotten":       func(l *list) { *l = *newLists().getLocked(Name{Kind: Everything}) },
		"the last departure was lost": func(l *list) { l.history = l.history[:len(l.history)-1] },
	} {
		used, loaded, last := loadedPair(t)
		spoil(loaded.getLocked(name))
		require.NotEmpty(t, used.Differences(loaded, last), what)
		require.NotEmpty(t, loaded.Differences(used, last), what)
	}
	used, loaded, last := loadedPair(t)
	delete(loaded.mu.named[ByNode].byName, name.Text)
	found := used.Differences(loaded, last)
	require.NotEmpty(t, found, "a list is missing")
	require.Contains(t, fmt.Sprint(found), `list of node "0"`, "a difference names the list")
	require.NotEmpty(t, loaded.Differences(used, last), "there is one list more")
	used, loaded, last = loadedPair(t)
	loaded.mu.all.index[0] = 1
	require.Contains(t, fmt.Sprint(used.Differences(loaded, last)), "list of all allocations")
}

// TestDifferencesAboveOrBelow has changes that were not in the file yet, and some that are forgotten.
func TestDifferencesAboveOrBelow(t *testing.T) {
	t.Parallel()
	used, loaded, last := loadedPair(t)
	arrive(used, 0x77, last+1, Placement{ByNode: "0"}, 0)
	require.Empty(t, used.Differences(loaded, last), "later changes are not compared")
	require.NotEmpty(t, used.Differences(loaded, last+1))

	used, loaded, last = loadedPair(t)
	used.Trim(last / 2)
	require.Empty(t, used.Differences(loaded, last), "neither are those up to the floor")
	require.Empty(t, loaded.Differences(used, last))
	loaded.Trim(last)
	require.Empty(t, used.Differences(loaded, last))
}
