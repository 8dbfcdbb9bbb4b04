package lists

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// waitedOf returns classes at random: an empty set, a few, or most.
func waitedOf(r *rand.Rand) *ClassSet {
	set := new(ClassSet)
	share := []float64{0, 0.05, 0.9, 1}[r.IntN(4)]
	for c := range Class(Classes) {
		if r.Float64() < share {
			set[c/64] |= 1 << (c % 64)
		}
	}
	return set
}

// wantAffected returns the WatchIDs that a write affects: it tries every list and every prefix.
func wantAffected(w write, names []Name, waited *ClassSet) (ids []WatchID) {
	for v := range Variant(variants) {
		for _, n := range names {
			if n.Named() && waited.has(ClassOf(n.Kind, v)) && w.counts(view{n, v}) {
				ids = append(ids, n.Watch(v))
			}
		}
		for digits := range 33 {
			if waited.has(PrefixClass(digits, v)) && w.counts(view{Name{Kind: Everything}, v}) {
				ids = append(ids, Prefix(w.id, digits, v))
			}
		}
	}
	return ids
}

func TestAppendAffectedIsExact(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	g := newRig(t, ops(seed, 3000))
	notified := 0
	for index := uint64(1); len(g.bytes) > 0; index++ {
		c, w, ok := g.draft(g.pool[r.IntN(60)], index, g.next(8))
		if !ok {
			continue
		}
		waited := waitedOf(r)
		kept := []WatchID{{1}}
		got := g.ls.AppendAffected(kept, &c, waited)
		require.Equal(t, kept[0], got[0], "AppendAffected appends")
		want := wantAffected(w, g.names, waited)
		require.ElementsMatch(t, want, got[1:], "AppendAffected has the lists and prefixes that the change affects, if their class is waited for")
		g.ls.Apply(&c)
		g.places[c.ID] = c.Is
		require.ElementsMatch(t, got, g.ls.AppendAffected(kept, &c, waited), "it does so too after the change")
		notified += len(want)
	}
	require.Positive(t, notified)
}

func TestPrefixesAreShared(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		a := randomIDs(r, 1, false)[0]
		b := a
		b[r.IntN(len(b))] ^= byte(1 << r.IntN(8))
		for digits := range 33 {
			same := digitsOf(a)[:digits] == digitsOf(b)[:digits]
			v := Variant(r.IntN(variants))
			require.Equal(t, same, Prefix(a, digits, v) == Prefix(b, digits, v), "IDs have the WatchID of a prefix in common if they share it")
			require.Equal(t, same, prefixRange(a, digits) == prefixRange(b, digits))
		}
	}
}

func digitsOf(id schema.ID) string { return strings.ReplaceAll(id.String(), "-", "") }

func TestWatchIDsDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[WatchID]string)
	add := func(id WatchID, what string, c Class) {
		require.Empty(t, seen[id], "two lists have one WatchID")
		seen[id] = what
		require.EqualValues(t, c, id[15], "a WatchID has its class")
		require.Less(t, int(c), Classes)
		require.Equal(t, "list  ", string(id[8:14]), "no allocation's ID of version 4 has these bytes")
	}
	for v := range Variant(variants) {
		for kind := range Kind(namedKinds) {
			for _, text := range []string{"", "0", "a", "a\x00", "\x00"} {
				add(Name{kind, text}.Watch(v), text, ClassOf(kind, v))
			}
		}
		for digits := range 33 {
			add(Prefix(schema.ID{}, digits, v), "prefix", PrefixClass(digits, v))
		}
		everything := Name{Kind: Everything}
		require.Equal(t, Prefix(schema.ID{5}, 0, v), everything.Watch(v), "all allocations have the prefix without digits")
		require.Equal(t, ClassOf(Everything, v), PrefixClass(0, v))
		require.Equal(t, Name{ByNode, "x"}.Watch(v), Name{ByNode, strings.Clone("x")}.Watch(v), "a WatchID depends on the name alone")
	}
	require.LessOrEqual(t, Classes, 64*len(ClassSet{}), "a set has room for all classes")
}

func TestClassSet(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		set, least := waitedOf(r), Class(r.IntN(Classes))
		var want, got []Class
		for c := least; int(c) < Classes; c++ {
			if set.has(c) {
				want = append(want, c)
			}
		}
		for c := range set.all(least) {
			got = append(got, c)
		}
		require.Equal(t, want, got, "the classes from %d on", least)
		for c := range set.all(least) {
			require.Equal(t, want[0], c)
			break
		}
	}
}

func TestNameHolds(t *testing.T) {
	t.Parallel()
	a := &schema.Allocation{NodeID: "n", JobID: "j", EvalID: "e"}
	for kind, text := range PlacementOf(schema.Placement{EvalID: a.EvalID, NodeID: a.NodeID, JobID: a.JobID}) {
		require.True(t, Name{Kind(kind), text}.Holds(a))
		require.False(t, Name{Kind(kind), "x"}.Holds(a))
	}
	require.True(t, Name{Kind: Everything}.Holds(a))
	require.Equal(t, "all allocations", Name{Kind: Everything}.String())
	require.Equal(t, "allocations of unknown placement", Name{Kind: Unplaced}.String())
	require.Equal(t, `evaluation "e"`, Name{ByEval, "e"}.String())
}

// TestEnded compares the flags with the statuses of an allocation.
func TestEnded(t *testing.T) {
	t.Parallel()
	for _, desired := range []string{"run", "stop", "evict", "", "x"} {
		for _, client := range []string{"pending", "running", "complete", "failed", "lost", "unknown", ""} {
			a := schema.Allocation{DesiredStatus: desired, ClientStatus: client}
			e := TerminalOf(desired, client)
			require.Equal(t, a.Terminal(), e != 0, "%s, %s", desired, client)
			for _, before := range []TerminalFlags{0, ServerTerminal, ClientTerminal, ServerTerminal | ClientTerminal} {
				got := before
				got.Set(ClientTerminal, e)
				require.Equal(t, before&ServerTerminal, got&ServerTerminal, "Set leaves the other flag")
				require.Equal(t, a.ClientTerminal(), got&ClientTerminal != 0)
			}
		}
	}
}
