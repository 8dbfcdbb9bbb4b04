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

// commitFormat1 commits as a version of this package did that wrote format 1.
func commitFormat1(t *testing.T, db *bbolt.DB, m *logfile.Manifest, write func(log *bbolt.Bucket) error) {
	t.Helper()
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		return errors.Join(
			write(tx.Bucket([]byte("log"))),
			meta.Put([]byte("format"), binary.BigEndian.AppendUint32(nil, 1)),
			index.Write(meta, m.Last),
			meta.Put([]byte("sum"), binary.BigEndian.AppendUint64(nil, m.Total())),
		)
	}))
}

// metaPage is the newest of a file's meta pages, and where it is.
func metaPage(file []byte) (page []byte, at int) {
	size := os.Getpagesize()
	if a, b := file[:size], file[size:2*size]; binary.LittleEndian.Uint64(a[64:]) < binary.LittleEndian.Uint64(b[64:]) {
		return b, size
	}
	return file[:size], 0
}

// TestFormat1DoesNotComeBack takes a file of format 1 up, and cuts power in the first write:
// the meta page leads to where the root of a state was that the file had in format 1, which
// is right in itself, and whose sum is that of no transaction.
func TestFormat1DoesNotComeBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	s, err := Open(path, nil)
	require.NoError(t, err)
	for n := range byte(60) {
		_, err = s.Upsert(t.Context(), testAlloc(n))
		require.NoError(t, err)
	}
	before := s.state.Load().Manifest
	last, err := s.Upsert(t.Context(), testAlloc(60))
	require.NoError(t, err)
	after := s.state.Load().Manifest
	shut(t, s)

	var value []byte
	k := record.Key{Index: last.Index}.AppendTo(nil)
	for range 10 { // the first write after that may be over a page of the state in question
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
		require.NoError(t, err)
		commitFormat1(t, db, &before, func(log *bbolt.Bucket) error {
			value = bytes.Clone(log.Get(k))
			return log.Delete(k)
		})
		earlier, _ := metaPage(readAll(t, path))
		commitFormat1(t, db, &after, func(log *bbolt.Bucket) error { return log.Put(k, value) })
		require.NoError(t, db.Close())
		cutAfterUpgrade(t, readAll(t, path), earlier, last.Index)
	}
}

// cutAfterUpgrade takes the file of format 1 up and cuts power in the first write. The page
// that was free and that its root was to be written to is that of the earlier state.
func cutAfterUpgrade(t *testing.T, file, earlier []byte, last uint64) {
	path := filepath.Join(t.TempDir(), "cut.db")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	s, err := Open(path, nil)
	require.NoError(t, err)
	require.Equal(t, last, s.LastIndex())
	cut := readAll(t, path)
	_, err = s.Upsert(t.Context(), testAlloc(61))
	require.NoError(t, err)
	newest, at := metaPage(readAll(t, path))
	shut(t, s)

	copy(cut[at:], newest)
	copy(cut[at+32:at+40], earlier[32:40])
	sum := fnv.New64a()
	sum.Write(cut[at+16 : at+72])
	binary.LittleEndian.PutUint64(cut[at+72:], sum.Sum64())
	require.NoError(t, os.WriteFile(path, cut, 0o600))
	s, err = Open(path, &Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, last, s.LastIndex(), "what was acknowledged is there")
	_, err = s.Get(testAlloc(60).ID)
	require.NoError(t, err)
	shut(t, s)
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}
