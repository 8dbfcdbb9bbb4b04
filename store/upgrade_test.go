package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// commitFormat1 commits as the version of this package did that wrote format 1.
func commitFormat1(t *testing.T, db *bbolt.DB, m *logfile.Manifest, write func(log *bbolt.Bucket) error) {
	t.Helper()
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		return errors.Join(
			write(tx.Bucket([]byte("log"))),
			meta.Put([]byte("format"), binary.BigEndian.AppendUint32(nil, 1)),
			meta.Put([]byte("index"), index.Append(nil, m.Last)),
			meta.Put([]byte("sum"), binary.BigEndian.AppendUint64(nil, m.Total())),
		)
	}))
}

// metaPage returns the newest meta page of a file, and its offset.
func metaPage(file []byte) (page []byte, at int) {
	size := os.Getpagesize()
	if a, b := file[:size], file[size:2*size]; binary.LittleEndian.Uint64(a[64:]) < binary.LittleEndian.Uint64(b[64:]) {
		return b, size
	}
	return file[:size], 0
}

// TestFormat1DoesNotComeBack upgrades a file of format 1 and cuts power in the first write. The
// new meta page is on the disk, and its root is not: at the root's place is the root of an
// earlier state of format 1. That state is valid in itself, but its sum does not include a
// transaction's ID.
func TestFormat1DoesNotComeBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	s, err := Open(path, nil)
	require.NoError(t, err)
	for n := range byte(60) {
		upsert(t, s, testAlloc(n))
	}
	before := s.state.Load().Manifest
	last, err := s.Upsert(t.Context(), testAlloc(60))
	require.NoError(t, err)
	after := s.state.Load().Manifest
	shut(t, s)

	var value []byte
	k := record.Key{Index: last.Index}.AppendTo(nil)
	for range 10 { // the first write after the upgrade may overwrite a page of the earlier state
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
		require.NoError(t, err)
		commitFormat1(t, db, &before, func(log *bbolt.Bucket) error {
			value = bytes.Clone(log.Get(k))
			return log.Delete(k)
		})
		earlier, _ := metaPage(readFile(t, path))
		commitFormat1(t, db, &after, func(log *bbolt.Bucket) error { return log.Put(k, value) })
		require.NoError(t, db.Close())
		cutAfterUpgrade(t, readFile(t, path), earlier, last.Index)
	}
}

// cutAfterUpgrade upgrades the file of format 1 and cuts power in the first write: the newest
// meta page gets the root of the earlier state. Open must not return to that state.
func cutAfterUpgrade(t *testing.T, file, earlier []byte, last uint64) {
	path := filepath.Join(t.TempDir(), "cut.db")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	s, err := Open(path, nil)
	require.NoError(t, err)
	require.Equal(t, last, s.LastIndex())
	cut := readFile(t, path)
	upsert(t, s, testAlloc(61))
	newest, at := metaPage(readFile(t, path))
	shut(t, s)

	copy(cut[at:], newest)
	copy(cut[at+32:at+40], earlier[32:40])
	sum := fnv.New64a()
	sum.Write(cut[at+16 : at+72])
	binary.LittleEndian.PutUint64(cut[at+72:], sum.Sum64())
	require.NoError(t, os.WriteFile(path, cut, 0o600))
	s, err = Open(path, &Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, last, s.LastIndex(), "an acknowledged write is on the disk")
	_, err = s.Get(testAlloc(60).ID)
	require.NoError(t, err)
	shut(t, s)
}
