package store

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/state"
)

// TestListsKeepIDsForSnapshots looks at the lists inside the state. A deleted ID stays in its
// list until the last snapshot from before the deletion is closed.
func TestListsKeepIDsForSnapshots(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	ctx := t.Context()
	listed := func() int {
		node := state.List{Kind: state.ByNode, Name: "node"}
		return len(s.state.Load().Lists.Page(make([]schema.ID, 0, 10), node, state.AllIDs()))
	}
	upsert(t, s, testAlloc(1), testAlloc(2))
	before, err := s.Snapshot()
	require.NoError(t, err)
	_, err = s.Delete(ctx, testAlloc(1).ID)
	require.NoError(t, err)
	after, err := s.Snapshot()
	require.NoError(t, err)
	require.Equal(t, 2, listed(), "the older snapshot needs the deleted ID")
	upsert(t, s, testAlloc(1))
	require.NoError(t, before.Close())
	require.Equal(t, 2, listed(), "the ID was placed again before it left the list")
	_, err = s.Delete(ctx, testAlloc(1).ID)
	require.NoError(t, err)
	require.NoError(t, after.Close())
	require.Equal(t, 1, listed(), "no snapshot from before the deletion is open")
	require.False(t, s.state.Load().Lists.Pending(math.MaxUint64))
	moved := testAlloc(2)
	moved.NodeID = "elsewhere"
	upsert(t, s, moved)
	require.Zero(t, listed(), "moved to another node")
}
