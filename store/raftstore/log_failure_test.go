package raftstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestFailedLogHalts: a log that takes no more entries, votes or terms halts the node. The process lives, and the others go on.
func TestFailedLogHalts(t *testing.T) {
	t.Parallel()
	for _, leads := range []bool{true, false} {
		c := newCluster(t, 3, nil, nil)
		tn := c.leader()
		c.place(tn, 0, 5)
		c.equal()
		if !leads {
			tn = c.follower()
		}
		require.NoError(t, tn.wal.Close()) // every later call fails
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, _ = c.nodes[0].Apply(ctx, upsert(100))
		cancel()
		c.until("its owner is told", func() bool { return len(c.haltedErrors()) == 1 })
		require.ErrorIs(t, c.haltedErrors()[0], ErrHalted)
		require.ErrorIs(t, c.haltedErrors()[0], wal.ErrClosed)
		require.ErrorContains(t, c.haltedErrors()[0], anew)
		_, err := tn.Read(t.Context(), Stale)
		require.ErrorIs(t, err, ErrHalted)
		require.NotEqual(t, tn.id, c.leader().id)
		c.place(c.leader(), 200, 205)
		c.shut(tn)
		c.open(tn)
		c.equal()
	}
}

// TestTermThatIsNotSaved: raft panics if it cannot save its term. A node that halts saves none, and casts no vote.
func TestTermThatIsNotSaved(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	term, err := tn.wal.GetUint64(keyTerm)
	require.NoError(t, err)
	require.Equal(t, tn.raft.CurrentTerm(), term, "the key is that of raft")
	require.NoError(t, tn.wal.Close())
	s := &guardedTerms{tn.wal, tn.halt}
	require.NoError(t, s.SetUint64(keyTerm, 7))
	require.ErrorIs(t, tn.halt.err(), ErrHalted)
	require.ErrorIs(t, s.SetUint64([]byte("LastVoteTerm"), 7), ErrHalted)
	require.ErrorIs(t, s.Set([]byte("LastVoteCand"), nil), ErrHalted)
	require.NoError(t, s.SetUint64(keyTerm, 8))
	_ = tn.Close()
	tn.Node = nil
}

// TestUnreadableLogHalts: raft ends the process if it cannot read an entry that is committed. The node halts, and the
// goroutine that reads ends.
func TestUnreadableLogHalts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 5)
	require.NoError(t, tn.wal.Close())
	l := &guardedLog{LogStore: tn.wal, halt: tn.halt, files: tn.files, base: &tn.fsm.base}
	ended, returned := make(chan struct{}), false
	go func() {
		defer close(ended)
		_ = l.GetLog(3, new(raft.Log))
		returned = true
	}()
	<-ended
	require.False(t, returned)
	require.ErrorIs(t, tn.halt.err(), ErrHalted)
	_ = tn.Close()
	tn.Node = nil
}

// TestDamagedLogIsRefused changes every byte of a log, one after the other. Open says what is wrong, or the node is as before: its
// entries are in the store. It never panics.
func TestDamagedLogIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 1)
	c.shut(tn)
	files, err := filepath.Glob(filepath.Join(c.dirOf(tn), logName, "*.wal"))
	require.NoError(t, err)
	refused := 0
	for _, name := range files {
		whole, err := os.ReadFile(name)
		require.NoError(t, err)
		for at := range len(whole) {
			if whole[at] == 0 && at%16 > 0 || at > 1024 && at%37 > 0 {
				continue
			}
			changed := bytes.Clone(whole)
			changed[at] ^= 0x55
			require.NoError(t, os.WriteFile(name, changed, 0o600))
			if err := c.tryOpen(tn); err != nil {
				refused++
				continue
			}
			_ = tn.Close()
		}
		require.NoError(t, os.WriteFile(name, whole, 0o600))
	}
	require.Positive(t, refused)
	t.Logf("%d refused", refused)
	c.open(tn)
	require.Equal(t, 1, tn.Store().Stats().Allocations)
}

// TestChangedEntry changes every bit of an entry: none is taken for another one.
func TestChangedEntry(t *testing.T) {
	t.Parallel()
	batch, err := upsert(1).MarshalBinary()
	require.NoError(t, err)
	whole := (&entry{batch: batch, limits: store.Limits{Floor: 7}}).encode()
	_, err = decodeEntry(whole)
	require.NoError(t, err)
	for at := range len(whole) * 8 {
		changed := bytes.Clone(whole)
		changed[at/8] ^= 1 << (at % 8)
		_, err := decodeEntry(changed)
		require.ErrorIs(t, err, store.ErrCorrupt, "bit %d", at)
	}
}

// TestReadOfADamagedLog: the log is damaged while the node runs. A read that looks for the last entry gets an error, and the
// process lives.
func TestReadOfADamagedLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 3)
	files, err := filepath.Glob(filepath.Join(c.dirOf(tn), logName, "*.wal"))
	require.NoError(t, err)
	for _, name := range files {
		body, err := os.ReadFile(name)
		require.NoError(t, err)
		for at := segmentHeaderBytes; at+frameHeaderBytes <= len(body) && body[at] != 0; {
			length := 0
			if body[at] != segment.FrameCommit {
				length = int(binary.LittleEndian.Uint32(body[at+4:]))
			}
			at += frameHeaderBytes
			copy(body[at:at+length], bytes.Repeat([]byte{0xff}, length))
			at += (length + frameHeaderBytes - 1) &^ (frameHeaderBytes - 1)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(body, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	last := tn.raft.CommitIndex()
	tn.fsm.shown.Store(new(place))
	_, err = tn.lastShown(last)
	require.ErrorIs(t, err, store.ErrCorrupt)
}
