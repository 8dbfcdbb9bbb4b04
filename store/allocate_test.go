package store

import (
	"bytes"
	"os"
	"path/filepath"
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
	ahead := 0 // commits whose pages had been written ahead
	for round := range 300 {
		before := s.file.db.Load().allocated
		var b Batch
		for i := range byte(1 + round%7*round%40) {
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
			ahead++
		}
		if end < db.allocated {
			left := make([]byte, db.allocated-end)
			_, err = db.f.ReadAt(left, end)
			require.NoError(t, err)
			require.Empty(t, bytes.Trim(left, "\x00"), "round %d: what is ahead holds nothing", round)
		}
	}
	require.Greater(t, ahead, 100)
	require.Equal(t, int64(mostAhead), s.file.db.Load().ahead)
	require.Less(t, ahead, 300, "some are larger")
}

// TestAllocateOnAFullDisk has a disk take no zeros: it is up to the transaction whether there
// is room for what it writes.
func TestAllocateOnAFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "full.db")
	s, err := Open(path, nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	before := readAll(t, path)
	f, err := os.Open(path) // which refuses every write
	require.NoError(t, err)
	defer f.Close()
	full := &database{DB: s.file.db.Load().DB, f: f}
	full.allocate(int64(len(before)) / 2)
	require.Equal(t, before, readAll(t, path))
	require.Equal(t, int64(len(before)), max(full.allocated, int64(len(before))))
	allocated := full.allocated
	full.allocate(allocated - leftAhead)
	require.Equal(t, allocated, full.allocated, "it is not tried again before the next")
}
