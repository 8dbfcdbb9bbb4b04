package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestOpenLocks opens a store that is open already, with and without a timeout.
func TestOpenLocks(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "x.db")
	open(t, path, nil)
	for _, timeout := range []time.Duration{-1, 60 * time.Millisecond} {
		began := time.Now()
		_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: timeout})
		require.ErrorIs(t, err, store.ErrLocked)
		require.ErrorContains(t, err, path)
		require.Less(t, time.Since(began), 2*time.Second)
	}
}

// TestLockSurvivesARename renames the file of an open store. A second writer gets ErrLocked by
// the old name, which has no file, and by the new one.
func TestLockSurvivesARename(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "file.db")
	s := openToClose(t, path, nil)
	upsert(t, s, placed(1))
	require.NoError(t, os.Rename(path, path+".moved"))
	for _, name := range []string{path, path + ".moved"} {
		requireLocked(t, name, name)
	}
	require.NoFileExists(t, path, "nothing was created in its place")
	upsert(t, s, placed(2))
	shut(t, s)
	again := open(t, path+".moved", nil)
	mustGet(t, again, 2)
}

// TestLockOfARenamedDirectory closes a store whose directory was renamed. Close releases its own
// lock, and not the lock of another store that has the path now.
func TestLockOfARenamedDirectory(t *testing.T) {
	t.Parallel()
	dir := tempPath(t, "data")
	path := filepath.Join(dir, "file.db")
	for _, replaced := range []bool{false, true} {
		require.NoError(t, os.Mkdir(dir, 0o700))
		s := openToClose(t, path, nil)
		require.NoError(t, os.Rename(dir, fmt.Sprint(dir, replaced)))
		if replaced {
			require.NoError(t, os.Mkdir(dir, 0o700))
			open(t, path, nil)
			require.ErrorIs(t, s.Close(), store.ErrDetached)
		} else {
			shut(t, s)
		}
	}
	require.NoError(t, os.Rename(path, path+".moved"))
	requireLocked(t, path, "the lock of the path is held")
	require.NoError(t, os.Rename(path+".moved", path))
}

// TestLockIsReleased finds no lock file after Close or after an Open that failed. Open reuses the
// lock file that a crash has left.
func TestLockIsReleased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file.db")
	writeFile(t, filepath.Join(dir, ".file.db.lock"), "")
	s := openToClose(t, path, nil)
	shut(t, s)
	writeFile(t, filepath.Join(dir, "other.db"), "no store")
	_, err := store.Open(filepath.Join(dir, "other.db"), detecting)
	require.ErrorIs(t, err, store.ErrCorrupt)
	files := filesIn(t, dir)
	require.Len(t, files, 2)
	require.Contains(t, files, "file.db")

	for range 20 { // openers that wait for each other and create the file
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 4)
		for range 4 {
			go func() {
				s, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: 10 * time.Second})
				if err == nil {
					_, err = s.Upsert(ctx, placed(1))
					err = errors.Join(err, s.Close())
				}
				results <- err
			}()
		}
		for range 4 {
			require.NoError(t, <-results)
		}
		cancel()
		require.NoError(t, os.Remove(path))
	}
	require.Len(t, filesIn(t, dir), 1)
}

// TestCompactKeepsTheLock compacts while a second opener waits for the lock of the file that
// Compact replaces.
func TestCompactKeepsTheLock(t *testing.T) {
	t.Parallel()
	s, path := mostlyDead(t)
	second := make(chan error)
	go func() {
		_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: 400 * time.Millisecond})
		second <- err
	}()
	for open := true; open; {
		select {
		case err := <-second:
			require.ErrorIs(t, err, store.ErrLocked, "the file of that name is locked at all times")
			open = false
		default:
			require.NoError(t, s.Compact(t.Context()))
		}
	}
	requireLocked(t, path, "after Compact")
}
