package raftstore

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestDamagedLogMetaIsRefused changes, cuts and mixes the bytes of the log's metadata. bbolt, which maps the file, panics or ends
// the process if it trusts such a one. Open says what is wrong, or the node is as before.
func TestDamagedLogMetaIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 20)
	c.shut(tn)
	name := filepath.Join(c.dirOf(tn), logName, metadb.FileName)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	saved := filepath.Join(t.TempDir(), "saved")
	copyDir(t, c.dirOf(tn), saved)
	rng := rand.New(rand.NewPCG(3, 4))
	refused := 0
	try := func(changed []byte) {
		require.NoError(t, os.WriteFile(name, changed, 0o600))
		err := c.tryOpen(tn)
		if err == nil {
			_ = tn.Close()
			tn.Node = nil
			copyDir(t, saved, c.dirOf(tn))
			return
		}
		refused++
		require.ErrorContains(t, err, c.dirOf(tn))
	}
	for at := range whole {
		if whole[at] == 0 && at%509 > 0 || at > 64 && at%4096 > 64 && at%5 > 0 {
			continue
		}
		changed := bytes.Clone(whole)
		changed[at] ^= 1 << rng.UintN(8)
		try(changed)
	}
	for _, size := range []int{0, 1, 4095, 4096, 8192, 12288, len(whole) - 4096, len(whole) - 1} {
		try(whole[:size])
	}
	for range 60 {
		changed := bytes.Clone(whole)
		from, to, n := rng.IntN(len(whole)-512), rng.IntN(len(whole)-512), 1+rng.IntN(512)
		copy(changed[to:to+n], whole[from:])
		try(changed)
	}
	require.Positive(t, refused)
	t.Logf("%d refused", refused)
	copyDir(t, saved, c.dirOf(tn))
	c.open(tn)
	require.Equal(t, 20, tn.Store().Stats().Allocations)
}

// TestLogMetaOfNoLog: a database without the buckets of the metadata, and metadata that names impossible files, are refused.
func TestLogMetaOfNoLog(t *testing.T) {
	t.Parallel()
	sealed := func(id, base, last uint64) types.SegmentInfo {
		return types.SegmentInfo{ID: id, BaseIndex: base, MinIndex: base, MaxIndex: last, Codec: 1, SizeLimit: 4096, SealTime: time.Unix(1, 0), IndexStart: 8}
	}
	open := func(id, base uint64) types.SegmentInfo {
		return types.SegmentInfo{ID: id, BaseIndex: base, MinIndex: base, Codec: 1, SizeLimit: 4096}
	}
	cases := map[string][]types.SegmentInfo{
		"index 0":         {open(0, 0)},
		"the end is full": {sealed(0, 1, 9)},
		"a gap":           {sealed(0, 1, 9), open(1, 11)},
		"no entry":        {sealed(0, 5, 4), open(1, 5)},
		"ends before":     {sealed(0, 5, 2), open(1, 3)},
		"the largest":     {sealed(0, 5, math.MaxUint64), open(1, 0)},
		"begins before":   {{ID: 0, BaseIndex: 5, MinIndex: 4, Codec: 1, SizeLimit: 4096}},
		"begins after":    {{ID: 0, BaseIndex: 5, MinIndex: 11, MaxIndex: 9, SealTime: time.Unix(1, 0), Codec: 1}, open(1, 10)},
		"two of an ID":    {sealed(0, 1, 9), open(0, 10)},
		"a later ID":      {open(7, 1)},
		"not at the end":  {open(0, 1), open(1, 1)},
	}
	for name, segments := range cases {
		dir := t.TempDir()
		var m metadb.BoltMetaDB
		_, err := m.Load(dir)
		require.NoError(t, err)
		require.NoError(t, m.CommitState(types.PersistentState{NextSegmentID: 2, Segments: segments}))
		require.NoError(t, m.Close())
		n := &Node{config: Config{Logger: quiet}, halt: newHalt()}
		err = n.openLog(dir, 4096)
		require.ErrorIs(t, err, store.ErrCorrupt, name)
		require.ErrorContains(t, err, metadb.FileName, name)
		require.NoError(t, n.closeFiles())
	}
	dir := t.TempDir()
	another, err := store.Open(filepath.Join(dir, "another.db"), &store.Options{Logger: quiet})
	require.NoError(t, err)
	require.NoError(t, another.Close())
	require.NoError(t, os.Rename(filepath.Join(dir, "another.db"), filepath.Join(dir, metadb.FileName)))
	n := &Node{config: Config{Logger: quiet}, halt: newHalt()}
	require.ErrorIs(t, n.openLog(dir, 4096), store.ErrCorrupt)
	require.NoError(t, n.closeFiles())
}

// TestLostTermIsRefused: a node whose term is below that of its last entry, or of its vote, has lost it, and might vote twice.
func TestLostTermIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 3)
	c.shut(tn)
	c.open(tn)
	c.leader()
	term := tn.raft.CurrentTerm()
	require.Greater(t, term, uint64(2))
	set := func(key []byte, value uint64) {
		n := &Node{config: Config{Logger: quiet}, halt: newHalt()}
		require.NoError(t, n.openLog(filepath.Join(c.dirOf(tn), logName), 4096))
		require.NoError(t, n.wal.SetUint64(key, value))
		require.NoError(t, n.closeFiles())
	}
	c.shut(tn)
	for _, wrong := range []func(){func() { set(keyTerm, term-1) }, func() { set(keyVoteTerm, 1<<40) }} {
		wrong()
		err := c.tryOpen(tn)
		require.ErrorIs(t, err, ErrLogMismatch)
		require.ErrorContains(t, err, "term")
		set(keyTerm, term)
		set(keyVoteTerm, term)
	}
	c.open(tn)
	c.leader()
	require.Equal(t, 3, tn.Store().Stats().Allocations)
}
