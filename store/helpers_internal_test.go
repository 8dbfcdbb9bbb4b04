package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// detecting are the options of a test that sets no other.
var detecting = &Options{DetectMutation: true}

// openTemp opens a new store, which is checked and closed at the end of the test.
func openTemp(t testing.TB, opts *Options) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "test.db"), opts)
	require.NoError(t, err)
	t.Cleanup(func() { shut(t, s) })
	return s
}

// shut checks the store and closes it.
func shut(t testing.TB, s *Store) {
	t.Helper()
	RequireSound(t, s)
	require.NoError(t, s.Close())
}

// testAlloc returns the n-th allocation of a test.
func testAlloc(n byte) *schema.Allocation {
	return &schema.Allocation{ID: schema.ID{n}.String(), NodeID: "node", Job: &schema.Job{ID: "job"}}
}

// upsert writes allocations and returns the index of the batch.
func upsert(t testing.TB, s *Store, allocs ...*schema.Allocation) uint64 {
	t.Helper()
	a, err := s.Upsert(t.Context(), allocs...)
	require.NoError(t, err)
	return a.Index
}

func mustID(t *testing.T, text string) schema.ID {
	t.Helper()
	id, err := schema.ParseID(text)
	require.NoError(t, err)
	return id
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}
