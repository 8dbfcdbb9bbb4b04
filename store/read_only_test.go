package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// filesIn returns the content and the modification time of each file in a directory, by name.
func filesIn(t *testing.T, dir string) map[string]string {
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

// TestReadOnly opens a store twice at once: one that was closed, and one that a crash left
// without the list of free pages. All reads work, all writes are refused, and the directory is
// unchanged.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	closed, crashed := tempPath(t, "closed.db"), tempPath(t, "crashed.db")
	s := openToClose(t, closed, nil)
	last := upsert(t, s, placed(1), placed(2))
	content, err := os.ReadFile(closed)
	require.NoError(t, err)
	writeFile(t, crashed, content)
	_, err = store.Open(closed, &store.Options{DetectMutation: true, ReadOnly: true, LockTimeout: -1})
	require.ErrorIs(t, err, store.ErrLocked, "there is a writer")
	shut(t, s)

	for _, path := range []string{closed, crashed} {
		before := filesIn(t, filepath.Dir(path))
		a := open(t, path, &store.Options{ReadOnly: true})
		b := open(t, path, &store.Options{ReadOnly: true})
		requireLocked(t, path, "there are readers")
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
		require.Equal(t, before, filesIn(t, filepath.Dir(path)), "no byte has changed")
	}
	nothing := tempPath(t, "nothing.db")
	_, err = store.Open(nothing, &store.Options{DetectMutation: true, ReadOnly: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Empty(t, filesIn(t, filepath.Dir(nothing)))
}
