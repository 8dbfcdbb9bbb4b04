package logfile

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/record"
)

// mapped opens the file at path and maps it.
func mapped(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path, Options{LockTimeout: time.Second, InitialMmapBytes: 1 << 28, OpenFile: os.OpenFile})
	require.NoError(t, err)
	plain, err := boltfile.Newest(f.Raw())
	require.NoError(t, err)
	require.NoError(t, f.Map(&Manifest{Last: index.Created}, plain.HasFreelist()))
	return f
}

// put commits a record of n bytes under the next index.
func put(t *testing.T, f *File, m *Manifest, n int) {
	t.Helper()
	require.NoError(t, f.Update(func(tx Tx) (bool, error) {
		m.Last++
		k := record.Key{Index: m.Last}
		r := record.Record{Flags: record.FlagClient, Client: string(make([]byte, n))}
		value := r.AppendTo(nil, k)
		m.Sum.Add(record.SumNumber(k, value))
		if err := tx.Room(int64(len(value)), ForWrites); err != nil {
			return false, err
		}
		if err := tx.Put(k, value); err != nil {
			return false, err
		}
		return true, m.Put(tx)
	}))
}

// TestMakeRoom grows a file, and looks after each commit at the bytes that were written
// ahead: zeros, behind the pages in use, and never beyond the file's end. A commit that is
// larger than the room ahead goes past it.
func TestMakeRoom(t *testing.T) {
	t.Parallel()
	f := mapped(t, filepath.Join(t.TempDir(), "ahead.db"))
	defer func() { require.NoError(t, f.Close()) }()
	m := &Manifest{Last: index.Created}
	fitted := 0 // commits whose pages had been written ahead
	for round := range 300 {
		before := f.db.Load().allocated
		put(t, f, m, (1+(round%7*round)%40)*(100+round*10))
		db := f.db.Load()
		var end int64
		require.NoError(t, db.bolt.View(func(tx *bbolt.Tx) error {
			end = tx.Size()
			return nil
		}))
		info, err := db.raw.Stat()
		require.NoError(t, err)
		require.LessOrEqual(t, db.allocated, info.Size())
		if end <= before {
			fitted++
		}
		if end < db.allocated {
			left := make([]byte, db.allocated-end)
			_, err = db.raw.ReadAt(left, end)
			require.NoError(t, err)
			require.Empty(t, bytes.Trim(left, "\x00"), "round %d: the bytes ahead are zeros", round)
		}
	}
	require.Greater(t, fitted, 100)
	require.Equal(t, int64(maxAhead), f.db.Load().ahead)
	require.Less(t, fitted, 300, "some are larger")
}

// TestMakeRoomFails makes every write of the file fail with an error other than a full disk,
// which the powercut harness tests.
func TestMakeRoomFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fails.db")
	f := mapped(t, path)
	defer func() { require.NoError(t, f.Close()) }()
	put(t, f, &Manifest{Last: index.Created}, 10)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	readable, err := os.Open(path)
	require.NoError(t, err)
	defer readable.Close()
	unwritable := newDatabase(f.db.Load().bolt, path, readable)
	require.ErrorIs(t, unwritable.makeRoom(int64(len(before))/2, 1000), syscall.EBADF)
	require.Zero(t, unwritable.allocated)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestSuccessor fills new files. One replaces the content for readers of the same File, one
// becomes the store's, and one is given up. The lock stays with the path.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	old := mapped(t, path)
	m := &Manifest{Last: index.Created}
	put(t, old, m, 10)
	count := func(f *File) (n int, err error) {
		err = f.View(func(tx Tx) error {
			for _, err := range tx.Records(record.Key{}) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		return n, err
	}
	successor := func(records int) *Successor {
		n, err := old.NewSuccessor()
		require.NoError(t, err)
		require.NoError(t, n.Fill(func(tx Tx) error {
			for i := range records {
				n.Last = uint64(i + 2)
				k := record.Key{Index: n.Last}
				r := record.Record{Flags: record.FlagClient, Client: "\x90"}
				if err := n.Put(tx, k, r.AppendTo(nil, k)); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, n.Seal())
		return n
	}

	given := successor(5)
	require.NoError(t, given.Close())
	n, err := count(old)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	compacted := successor(2)
	require.NoError(t, compacted.TakePlace(old))
	compacted.SwapInto(old)
	require.NoError(t, compacted.Close())
	n, err = count(old)
	require.NoError(t, err)
	require.Equal(t, 2, n)

	restored := successor(3)
	require.NoError(t, restored.TakePlace(old))
	restored.InheritFrom(old)
	require.NoError(t, restored.Close())
	_, err = count(old)
	require.ErrorIs(t, err, ErrClosed)
	n, err = count(restored.File)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, path, restored.Path())

	_, err = Open(path, Options{OpenFile: os.OpenFile})
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, restored.File.Close())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside the file")
	again := mapped(t, path)
	n, err = count(again)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, again.Close())
}
