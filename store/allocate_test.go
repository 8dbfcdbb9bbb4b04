package store

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// TestAllocate has a store grow, and looks after each commit at what was written ahead:
// zeros, from where the pages end, and never beyond the file's own end. A commit that is
// larger than what there is goes past it.
func TestAllocate(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "ahead.db"), &Options{DetectMutation: true})
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	fitted := 0 // commits whose pages had been written ahead
	for round := range 300 {
		before := s.file.db.Load().allocated
		var b Batch
		for i := range byte(1 + (round%7*round)%40) {
			a := testAlloc(i)
			a.Name = string(make([]byte, round*10))
			b.Upsert(a)
		}
		_, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
		db := s.file.db.Load()
		var end int64
		require.NoError(t, db.View(func(tx *bbolt.Tx) error {
			end = tx.Size()
			return nil
		}))
		info, err := db.f.Stat()
		require.NoError(t, err)
		require.LessOrEqual(t, db.allocated, info.Size())
		if end <= before {
			fitted++
		}
		if end < db.allocated {
			left := make([]byte, db.allocated-end)
			_, err = db.f.ReadAt(left, end)
			require.NoError(t, err)
			require.Empty(t, bytes.Trim(left, "\x00"), "round %d: what is ahead holds nothing", round)
		}
	}
	require.Greater(t, fitted, 100)
	require.Equal(t, int64(mostAhead), s.file.db.Load().ahead)
	require.Less(t, fitted, 300, "some are larger")
}

// TestAllocateFails has the file take no write, for which there may be any reason but a full
// disk: the powercut harness has those.
func TestAllocateFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fails.db")
	s, err := Open(path, nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	before := readAll(t, path)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	unwritable := &database{DB: s.file.db.Load().DB, f: f}
	require.ErrorIs(t, unwritable.allocate(int64(len(before))/2), syscall.EBADF)
	require.Zero(t, unwritable.allocated)
	require.Equal(t, before, readAll(t, path))
}
