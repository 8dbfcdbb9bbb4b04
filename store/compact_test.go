package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// onlyFile requires that the directory of path has that file and no other.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing but the store")
	require.Equal(t, filepath.Base(path), entries[0].Name())
}

// outdated is a store in which most of what was written is superseded.
func outdated(t *testing.T) (*store.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compact.db")
	s := open(t, path, &store.Options{FeedRetention: -1})
	for round := range 20 {
		var b store.Batch
		for i := range 500 {
			a := placed(i)
			a.Job = &schema.Job{ID: "job", Priority: round}
			b.Upsert(a)
		}
		_, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
	}
	return s, path
}

// TestCompactMakesTheFileSmall looks at the file before and after, and at what it
// holds when it is opened again.
func TestCompactMakesTheFileSmall(t *testing.T) {
	t.Parallel()
	s, path := outdated(t)
	before := s.Stats()
	require.NoError(t, s.Compact(t.Context()))
	after := s.Stats()
	require.Less(t, after.FileBytes, before.FileBytes/3)
	require.Zero(t, after.DeadBytes)
	require.Equal(t, []int{500, 2}, []int{after.Allocations, after.Jobs},
		"jobs that no record names are gone: what is left is the last, and the first, whose records have the clients' parts")
	onlyFile(t, path)
	upsert(t, s, placed(1000))
	last := s.LastIndex()
	require.NoError(t, s.Close())
	again := open(t, path, nil)
	require.Equal(t, last, again.LastIndex())
	for i := range 500 {
		a, err := again.Get(idOf(i))
		require.NoError(t, err)
		require.EqualValues(t, 19, a.Job.Priority)
	}
}

// TestCompactKeepsTheLock has a second opener wait on the file that is replaced.
func TestCompactKeepsTheLock(t *testing.T) {
	t.Parallel()
	s, path := outdated(t)
	second := make(chan error)
	go func() {
		_, err := store.Open(path, &store.Options{LockTimeout: 400 * time.Millisecond})
		second <- err
	}()
	for open := true; open; {
		select {
		case err := <-second:
			require.ErrorIs(t, err, store.ErrLocked, "the name is of a file that is locked, at any time")
			open = false
		default:
			require.NoError(t, s.Compact(t.Context()))
		}
	}
	_, err := store.Open(path, &store.Options{LockTimeout: -1})
	require.ErrorIs(t, err, store.ErrLocked)
}

// TestCompactThatIsEnded leaves the store as it was: by its context, and by Close.
func TestCompactThatIsEnded(t *testing.T) {
	t.Parallel()
	s, path := outdated(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Compact(ctx), context.Canceled)
	onlyFile(t, path)
	upsert(t, s, placed(1000))

	ended := make(chan error)
	go func() {
		for {
			if err := s.Compact(context.Background()); err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, store.ErrClosed)
	onlyFile(t, path)
	open(t, path, nil)
}

// TestCompactWhoseRenameFails cannot say which file a crash would leave, so the
// store fails. What is published can still be read.
func TestCompactWhoseRenameFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "compact.db")
	s, err := store.Open(path, nil)
	require.NoError(t, err)
	upsert(t, s, placed(1))
	require.NoError(t, os.Rename(path, path+".away"))
	require.NoError(t, os.Mkdir(path, 0o700))
	require.Error(t, s.Compact(t.Context()))
	_, err = s.Upsert(t.Context(), placed(2))
	require.ErrorIs(t, err, store.ErrFailed)
	require.ErrorIs(t, s.Compact(t.Context()), store.ErrFailed)
	_, err = s.Get(idOf(1))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Rename(path+".away", path))
	again := open(t, path, nil)
	_, err = again.Get(idOf(1))
	require.NoError(t, err)
}

// TestOpenRemovesAnUnfinishedRewrite is what a crash in Compact leaves.
func TestOpenRemovesAnUnfinishedRewrite(t *testing.T) {
	t.Parallel()
	s, path := outdated(t)
	require.NoError(t, s.Close())
	dir := filepath.Dir(path)
	write(t, filepath.Join(dir, ".compact.db.rewrite-123"), "half a file")
	other := filepath.Join(dir, ".other.db.rewrite-123")
	write(t, other, "of another store")
	s = open(t, path, nil)
	require.NoError(t, os.Remove(other), "what is another store's stays")
	onlyFile(t, path)
	require.NoError(t, errors.Join(s.Close(), s.Close()))
}
