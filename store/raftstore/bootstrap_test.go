package raftstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/stretchr/testify/require"
)

// TestBootstrapAgainAfterACrash: raft stores its term, and then the first entry. A crash in between leaves a node that is
// bootstrapped again. A node that has voted keeps its term.
func TestBootstrapAgainAfterACrash(t *testing.T) {
	t.Parallel()
	for _, voted := range []uint64{0, 1} {
		c := &cluster{t: t, dir: t.TempDir(), alone: true, links: make(map[raft.ServerAddress]*testNode)}
		t.Cleanup(c.close)
		tn := &testNode{id: "n0"}
		log := filepath.Join(c.dirOf(tn), logName)
		require.NoError(t, os.MkdirAll(log, 0o700))
		meta := new(metadb.BoltMetaDB)
		w, err := wal.Open(log, wal.WithMetaStore(meta))
		require.NoError(t, err)
		require.NoError(t, w.SetUint64(keyTerm, 1))
		require.NoError(t, w.SetUint64(keyVoteTerm, voted))
		require.NoError(t, w.Close())
		require.NoError(t, meta.Close())
		c.nodes = append(c.nodes, tn)
		c.open(tn)
		err = tn.Bootstrap(Member{tn.id, tn.address, true})
		if voted > 0 {
			require.ErrorIs(t, err, raft.ErrCantBootstrap)
			continue
		}
		require.NoError(t, err)
		c.place(c.leader(), 0, 3)
	}
}
