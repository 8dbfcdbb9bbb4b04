package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// left is what is in a directory: every file with its content and times.
func left(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		files[e.Name()] = info.ModTime().String() + string(content)
	}
	return files
}

// TestReadOnly opens a store that was closed, and one that a crash left without the
// list of free pages, twice at once. Everything can be read, nothing written, and the
// directory is what it was.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	closed, crashed := filepath.Join(t.TempDir(), "closed.db"), filepath.Join(t.TempDir(), "crashed.db")
	s, err := store.Open(closed, noticing)
	require.NoError(t, err)
	last := upsert(t, s, placed(1), placed(2))
	content, err := os.ReadFile(closed)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(crashed, content, 0o600))
	_, err = store.Open(closed, &store.Options{DetectMutation: true, ReadOnly: true, LockTimeout: -1})
	require.ErrorIs(t, err, store.ErrLocked, "there is a writer")
	shut(t, s)

	for _, path := range []string{closed, crashed} {
		before := left(t, filepath.Dir(path))
		a := open(t, path, &store.Options{ReadOnly: true})
		b := open(t, path, &store.Options{ReadOnly: true})
		_, err = store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1})
		require.ErrorIs(t, err, store.ErrLocked, "there are readers")
		for _, s := range []*store.Store{a, b} {
			require.Equal(t, last, s.LastIndex())
			_, err := s.Get(idOf(1))
			require.NoError(t, err)
			r, err := s.Wait(ctx, idOf(2), store.QueryOptions{MinQueryIndex: last, MaxQueryTime: time.Millisecond})
			require.NoError(t, err)
			require.Equal(t, store.TimedOut, r.Outcome)
			for ch, err := range s.Changes(ctx, 0) {
				require.NoError(t, err)
				if ch.Last {
					break
				}
			}
			_, err = s.Upsert(ctx, placed(3))
			require.ErrorIs(t, err, store.ErrReadOnly)
			require.ErrorIs(t, s.Compact(ctx), store.ErrReadOnly)
		}
		shut(t, a)
		shut(t, b)
		require.Equal(t, before, left(t, filepath.Dir(path)), "no byte has changed")
	}
	nothing := filepath.Join(t.TempDir(), "nothing.db")
	_, err = store.Open(nothing, &store.Options{DetectMutation: true, ReadOnly: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Empty(t, left(t, filepath.Dir(nothing)))
}

// TestLockSurvivesARename refuses a second writer of a file that was renamed while it
// was open, by the old name, where there is nothing now, and by the new one.
func TestLockSurvivesARename(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	upsert(t, s, placed(1))
	require.NoError(t, os.Rename(path, path+".moved"))
	for _, name := range []string{path, path + ".moved"} {
		_, err := store.Open(name, &store.Options{DetectMutation: true, LockTimeout: -1})
		require.ErrorIs(t, err, store.ErrLocked)
	}
	require.NoFileExists(t, path, "nothing was created in its place")
	upsert(t, s, placed(2))
	shut(t, s)
	again := open(t, path+".moved", nil)
	_, err = again.Get(idOf(2))
	require.NoError(t, err)
}

// TestLockOfARenamedDirectory gives its own lock back, and not that of the store which has
// the path now.
func TestLockOfARenamedDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "file.db")
	for _, replaced := range []bool{false, true} {
		require.NoError(t, os.Mkdir(dir, 0o700))
		s, err := store.Open(path, noticing)
		require.NoError(t, err)
		require.NoError(t, os.Rename(dir, fmt.Sprint(dir, replaced)))
		if replaced {
			require.NoError(t, os.Mkdir(dir, 0o700))
			open(t, path, nil)
		}
		shut(t, s)
	}
	require.NoError(t, os.Rename(path, path+".moved"))
	_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1})
	require.ErrorIs(t, err, store.ErrLocked, "the lock of the path is held")
	require.NoError(t, os.Rename(path+".moved", path))
}

// TestLockIsGivenBack leaves the lock's file behind neither after Close nor after an
// Open that failed, and takes one over that a crash has left.
func TestLockIsGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file.db")
	write(t, filepath.Join(dir, ".file.db.lock"), "")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	shut(t, s)
	write(t, filepath.Join(dir, "other.db"), "no store")
	_, err = store.Open(filepath.Join(dir, "other.db"), noticing)
	require.ErrorIs(t, err, store.ErrCorrupt)
	files := left(t, dir)
	require.Len(t, files, 2)
	require.Contains(t, files, "file.db")

	for range 20 { // openers that wait for each other, and create
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
	require.Len(t, left(t, dir), 1)
}
