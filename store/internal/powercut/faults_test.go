package main

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// allocOf is an allocation whose job has that name.
func allocOf(job string) *schema.Allocation {
	return &schema.Allocation{ID: idOf(1), Job: &schema.Job{ID: "job", Name: job}}
}

// The tests below are for faults that the sweep has found: one operation fails at one place.

// TestNameIsSyncedAgain creates a store, which fails when the directory is synced,
// opens it again, and cuts the power.
func TestNameIsSyncedAgain(t *testing.T) {
	ctx, d := context.Background(), mounted(t)
	dir, err := d.newDir()
	require.NoError(t, err)
	require.NoError(t, d.begin(Fault{N: 1, Only: []OpKind{OpSyncDir}, Err: syscall.EIO}))
	path := filepath.Join(dir, storeName)
	_, err = store.Open(path, nil)
	require.ErrorIs(t, err, syscall.EIO)
	s, err := store.Open(path, nil)
	require.NoError(t, err)
	_, err = s.Upsert(ctx, allocOf("a"))
	require.NoError(t, err)
	record, err := d.recorded()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Contains(t, cutWith(after(record.Ops...), undone).files, storeName, "the file, with an acknowledged write in it")
}

// TestFailedRenameSpoilsNothing has a compaction that drops a job fail, goes on, and opens the
// store again.
func TestFailedRenameSpoilsNothing(t *testing.T) {
	ctx, d := context.Background(), mounted(t)
	dir, err := d.newDir()
	require.NoError(t, err)
	require.NoError(t, d.begin(Fault{N: 1, Only: []OpKind{OpRename}, Err: syscall.EIO}))
	path := filepath.Join(dir, storeName)
	s, err := store.Open(path, &store.Options{FeedRetention: -1})
	require.NoError(t, err)
	for _, job := range []string{"a", "b"} {
		_, err = s.Upsert(ctx, allocOf(job))
		require.NoError(t, err)
	}
	require.ErrorIs(t, s.Compact(ctx), syscall.EIO)
	_, err = s.Upsert(ctx, allocOf("c"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s, err = store.Open(path, nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
