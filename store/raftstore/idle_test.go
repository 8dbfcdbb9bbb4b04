package raftstore

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestIdleLeaderHalts: a store that fails while no entry comes halts the node, before a caller's batch finds it out.
func TestIdleLeaderHalts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	tn := c.leader()
	c.place(tn, 0, 5)
	c.equal()
	require.NoError(t, os.Remove(tn.fsm.path(storeName)))
	for tn.Store().Err() == nil {
		_ = tn.Store().Compact(t.Context()) // which looks at the file
	}
	require.ErrorIs(t, tn.Store().Err(), store.ErrDetached)
	c.until("its owner is told", func() bool { return len(c.haltedErrors()) == 1 })
	require.NotEqual(t, tn.id, c.leader().id)
}
