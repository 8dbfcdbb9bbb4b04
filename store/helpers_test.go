package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
)

// detecting are the options of a test that sets no other.
var detecting = &store.Options{DetectMutation: true}

// silent is the logger of a test that expects damage.
var silent = slog.New(slog.DiscardHandler)

// tempPath returns a path in a new directory.
func tempPath(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), name)
}

// open opens a store, which is checked and closed at the end of the test.
func open(t *testing.T, path string, opts *store.Options) *store.Store {
	t.Helper()
	s := openToClose(t, path, opts)
	t.Cleanup(func() {
		shut(t, s)
		require.Equal(t, s.ResidentBytes(), s.Stats().ResidentBytes, "Stats.ResidentBytes")
	})
	return s
}

// openToClose opens a store that the test closes.
func openToClose(t *testing.T, path string, opts *store.Options) *store.Store {
	t.Helper()
	if opts == nil {
		opts = new(store.Options)
	}
	detecting := *opts
	detecting.DetectMutation = true
	s, err := store.Open(path, &detecting)
	require.NoError(t, err)
	return s
}

// requireLocked requires that a second opener of the file gets ErrLocked.
func requireLocked(t *testing.T, path, why string) {
	t.Helper()
	_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1})
	require.ErrorIs(t, err, store.ErrLocked, why)
}

// shut checks the store and closes it.
func shut(t testing.TB, s *store.Store) {
	t.Helper()
	store.RequireSound(t, s)
	require.NoError(t, s.Close())
}

// idOf returns the n-th ID of a test.
func idOf(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// placed returns an allocation as a scheduler places it.
func placed(n int) *schema.Allocation {
	return &schema.Allocation{
		ID: idOf(n), EvalID: "eval", NodeID: fmt.Sprint("node", n), JobID: "job", ClientStatus: "pending",
		Job: &schema.Job{ID: "job"},
	}
}

// changedName returns the same allocation with another name.
func changedName(n int) *schema.Allocation {
	a := placed(n)
	a.Name = "changed"
	return a
}

// apply applies the batch and returns its index.
func apply(t *testing.T, s *store.Store, b *store.Batch) uint64 {
	t.Helper()
	a, err := s.Apply(t.Context(), b)
	require.NoError(t, err)
	return a.Index
}

// upsert writes allocations and returns the index of the batch.
func upsert(t *testing.T, s *store.Store, allocs ...*schema.Allocation) uint64 {
	t.Helper()
	a, err := s.Upsert(t.Context(), allocs...)
	require.NoError(t, err)
	return a.Index
}

// updateClient writes the client's part of an allocation and returns the index of the batch.
func updateClient(t *testing.T, s *store.Store, a *schema.Allocation) uint64 {
	t.Helper()
	applied, err := s.UpdateFromClient(t.Context(), a)
	require.NoError(t, err)
	return applied.Index
}

// remove deletes allocations and returns the index of the batch.
func remove(t *testing.T, s *store.Store, ids ...string) uint64 {
	t.Helper()
	a, err := s.Delete(t.Context(), ids...)
	require.NoError(t, err)
	return a.Index
}

// mustGet returns the n-th allocation.
func mustGet(t *testing.T, s *store.Store, n int) *schema.Allocation {
	t.Helper()
	a, err := s.Get(idOf(n))
	require.NoError(t, err)
	return a
}

// encoded returns the encoding of every allocation in the list.
func encoded(list store.Allocations) (string, error) {
	var all []byte
	for a, err := range list {
		if err != nil {
			return "", err
		}
		all = new(schema.Codec).AppendAllocation(all, a)
	}
	return string(all), nil
}

// contentOf returns the encoding of every allocation in the store.
func contentOf(t *testing.T, s *store.Store) string {
	t.Helper()
	all, err := encoded(s.All())
	require.NoError(t, err)
	return all
}

// onlyFile requires that the directory of path has that file, perhaps its lock, and no other.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, []string{filepath.Base(path), "." + filepath.Base(path) + ".lock"}, e.Name())
	}
}

func writeFile[T string | []byte](t *testing.T, path string, content T) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// overwrite replaces the bytes of the file at an offset.
func overwrite(t *testing.T, path string, at int, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(b, int64(at))
	require.NoError(t, errors.Join(err, f.Close()))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// edit changes the file of a closed store. It commits twice, because Open may take back the
// last transaction as an unfinished commit.
func edit(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { return errors.Join(fn(tx), store.Rebind(tx)) }))
	require.NoError(t, db.Update(store.Rebind))
	require.NoError(t, db.Close())
}

// mark sets an index in the meta bucket of a closed store. It makes the file one of format 1, which
// may lack the sum.
func mark(t *testing.T, path, key string, index uint64) {
	t.Helper()
	edit(t, path, func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		err := errors.Join(meta.Delete([]byte("sum")), meta.Put([]byte("format"), []byte{3: 1}))
		if err != nil {
			return err
		}
		return meta.Put([]byte(key), binary.BigEndian.AppendUint64(nil, index))
	})
}
