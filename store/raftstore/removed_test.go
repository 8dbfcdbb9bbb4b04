package raftstore

import (
	"context"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestRemovedLeader: a leader that removes itself goes on as a node without a cluster. It says so, closes as others do,
// and can join again.
func TestRemovedLeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	old := c.leader()
	c.place(old, 0, 5)
	c.equal()
	require.NoError(t, old.Leave(t.Context(), old.id))
	c.until("it leads no more", func() bool { return old.raft.State() != raft.Leader })
	require.NotEqual(t, raft.Shutdown, old.raft.State(), "raft stops only through Close or a halt")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := old.Apply(ctx, upsert(100))
	require.ErrorIs(t, err, ErrNotLeader)
	_, err = old.Read(ctx, Linearizable)
	require.ErrorIs(t, err, ErrNotLeader)
	info, err := old.Read(ctx, Stale)
	require.NoError(t, err)
	require.False(t, info.KnownLeader)
	next := c.leader()
	c.place(next, 10, 15)
	require.NoError(t, next.Join(ctx, Member{old.id, old.address, true}))
	c.equal()
}
