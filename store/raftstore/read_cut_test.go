package raftstore

import (
	"context"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestReadAfterTheLogWasCut: the last entry is raft's own, and the log has been cut behind it.
func TestReadAfterTheLogWasCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, func(c *Config) {
		tune := c.Raft
		c.Raft = func(r *raft.Config) { tune(r); r.TrailingLogs = 0 }
	})
	tn := c.leader()
	c.place(tn, 0, 5)
	require.NoError(t, tn.raft.Barrier(0).Error())
	c.snapshot(tn)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, consistency := range []Consistency{Leader, Linearizable} {
		info, err := tn.Read(ctx, consistency)
		require.NoError(t, err)
		require.GreaterOrEqual(t, info.Index, tn.Store().LastIndex())
	}
}
