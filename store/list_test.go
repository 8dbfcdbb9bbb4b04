package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestListsForget has a snapshot find the members that have left since. When it is closed and a pass
// has stored a higher floor, the lists forget them, and the empty ones with them.
func TestListsForget(t *testing.T) {
	t.Parallel()
	s := openTemp(t, &Options{DetectMutation: true, FeedRetention: -1})
	ctx := t.Context()
	moved, deleted := testAlloc(1), testAlloc(2)
	upsert(t, s, moved, deleted)
	before, err := s.Snapshot()
	require.NoError(t, err)
	moved.NodeID = "elsewhere"
	upsert(t, s, moved)
	_, err = s.Delete(ctx, deleted.ID)
	require.NoError(t, err)
	departures := func() int {
		st := s.state.Load()
		q, err := Node("node").query()
		require.NoError(t, err)
		gone, _ := st.Lists.Since(&q, 0, st.Index.Last())
		return len(gone)
	}
	for range 2 {
		require.Equal(t, []string{moved.ID, deleted.ID}, idsOf(t, before.ByNode("node")))
		require.Empty(t, idsOf(t, s.ByNode("node")))
		require.Equal(t, 2, departures())
		require.NoError(t, s.Sweep(ctx), "the snapshot keeps the floor below")
	}
	require.NoError(t, before.Close())
	require.NoError(t, s.Sweep(ctx))
	require.Zero(t, departures())
	names := s.state.Load().Lists.Names()
	require.Len(t, names, 4, "all, and a list of each kind: %v", names)
}

// idsOf returns the IDs of a list.
func idsOf(t *testing.T, list Allocations) (ids []string) {
	t.Helper()
	for a, err := range list {
		require.NoError(t, err)
		ids = append(ids, a.ID)
	}
	return ids
}

// TestSelectors compares selectors, and uses those that select nothing.
func TestSelectors(t *testing.T) {
	t.Parallel()
	require.Equal(t, Everything(), Prefix(""))
	require.Equal(t, Prefix("abcdefab"), Prefix("ABCDEFAB-"))
	require.NotEqual(t, Node("a"), Job("a"))
	require.NotEqual(t, Node("a"), Node("a").NonTerminal())
	require.Equal(t, Node("a").Placements().NonTerminal(), Node("a").NonTerminal().Placements())
	require.Equal(t, `node "n", non-terminal, placements`, Node("n").NonTerminal().Placements().String())

	for _, sel := range []Selector{Node("n"), Job(""), Eval("e").NonTerminal(), Everything().Placements(), Prefix("AB"), Prefix("abcdefab-0")} {
		q, err := sel.query()
		require.NoError(t, err)
		require.Equal(t, sel, selectorOf(&q))
	}

	s := openTemp(t, nil)
	upsert(t, s, &schema.Allocation{ID: schema.ID{0xab}.String(), NodeID: "node", Job: &schema.Job{ID: "job"}})
	for sel, want := range map[Selector]error{
		{}: ErrInvalid, Selector{}.NonTerminal(): ErrInvalid, Prefix("-"): ErrInvalidID, Prefix("x"): ErrInvalidID,
		Prefix("abcdefabc"): ErrInvalidID, Node(""): nil, Node("other"): nil, Prefix("ac"): nil,
	} {
		n, err := s.Len(sel)
		require.Zero(t, n)
		require.ErrorIs(t, err, want)
		for a, err := range s.List(sel) {
			require.Nil(t, a)
			require.ErrorIs(t, err, want)
			require.Error(t, err, "an empty list yields nothing")
		}
	}
}
