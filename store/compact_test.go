package store_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// mostlyDead returns a store most of whose records are superseded, and its path.
func mostlyDead(t *testing.T) (*store.Store, string) {
	t.Helper()
	path := tempPath(t, "compact.db")
	s := open(t, path, &store.Options{FeedRetention: -1})
	for round := range 20 {
		var b store.Batch
		for i := range 500 {
			a := placed(i)
			a.Job = &schema.Job{ID: "job", Priority: round}
			b.Upsert(a)
		}
		apply(t, s, &b)
	}
	return s, path
}

// TestCompactMakesTheFileSmall compares the file before and after, and reads the content after
// the file was opened again.
func TestCompactMakesTheFileSmall(t *testing.T) {
	t.Parallel()
	s, path := mostlyDead(t)
	before := s.Stats()
	require.NoError(t, s.Compact(t.Context()))
	after := s.Stats()
	require.Less(t, after.FileBytes, before.FileBytes/3)
	require.Zero(t, after.DeadBytes)
	require.Equal(t, []int{500, 2}, []int{after.Allocations, after.Jobs},
		"jobs that no record names are gone: the first job stays for the records with the clients' parts, and the last")
	onlyFile(t, path)
	upsert(t, s, placed(1000))
	last := s.LastIndex()
	shut(t, s)
	again := open(t, path, nil)
	require.Equal(t, last, again.LastIndex())
	for i := range 500 {
		a, err := again.Get(idOf(i))
		require.NoError(t, err)
		require.EqualValues(t, 19, a.Job.Priority)
	}
}

// TestCompactIsCanceled ends Compact by its context and by Close. The store stays as it was.
func TestCompactIsCanceled(t *testing.T) {
	t.Parallel()
	s, path := mostlyDead(t)
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
	shut(t, s)
	require.ErrorIs(t, <-ended, store.ErrClosed)
	onlyFile(t, path)
	open(t, path, nil)
}

// TestCompactOfAMovedFile fails, and changes neither the moved file nor the file at the old path.
func TestCompactOfAMovedFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "compact.db")
	s := openToClose(t, path, nil)
	upsert(t, s, placed(1))
	require.NoError(t, os.Rename(path, path+".away"))
	require.ErrorIs(t, s.Compact(t.Context()), fs.ErrNotExist)
	writeFile(t, path, "another file")
	require.ErrorIs(t, s.Compact(t.Context()), store.ErrDetached)
	upsert(t, s, placed(2)) // until the lookout has looked
	require.ErrorIs(t, s.Close(), store.ErrDetached)
	require.NoError(t, os.Rename(path+".away", path))
	again := open(t, path, nil)
	mustGet(t, again, 2)
}

// TestCompactFindsItsFile opens the store by a relative name and by a link, and changes the
// directory before Compact. The new file must have the old one's place, mode and lock.
func TestCompactFindsItsFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file.db"), tempPath(t, "link.db")
	require.NoError(t, os.Symlink(path, link))
	t.Setenv("TMPDIR", "/dev/shm") // most likely on another file system
	_, err := store.Open(link, detecting)
	require.ErrorIs(t, err, fs.ErrNotExist, "the link has no target yet")
	for i, name := range []string{path, "file.db", "./file.db", link} {
		t.Chdir(dir)
		s := openToClose(t, name, nil)
		require.NoError(t, os.Chmod(path, 0o640))
		t.Chdir(t.TempDir())
		require.NoError(t, s.Compact(t.Context()), name)
		require.NoError(t, s.Compact(t.Context()), name)
		upsert(t, s, placed(i))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode(), name)
		requireLocked(t, path, name)
		shut(t, s)

		s = openToClose(t, path, nil)
		require.Equal(t, i+1, s.Stats().Allocations, name)
		shut(t, s)
		onlyFile(t, path)
	}
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSymlink, info.Mode().Type())
}

// TestCompactAfterAnInterruptedPass removes the dead records that a canceled pass left, also
// after the store was opened again.
func TestCompactAfterAnInterruptedPass(t *testing.T) {
	t.Parallel()
	for _, reopened := range []bool{false, true} {
		s, path := mostlyDead(t)
		require.ErrorIs(t, s.Sweep(cancelAfter(t.Context(), 3)), context.Canceled)
		dead := s.Stats().DeadBytes
		require.Positive(t, dead, "the pass was canceled before its end")
		if reopened {
			shut(t, s)
			s = open(t, path, &store.Options{FeedRetention: -1})
			require.Equal(t, dead, s.Stats().DeadBytes)
		}
		require.NoError(t, s.Compact(t.Context()))
		require.Zero(t, s.Stats().DeadBytes)
	}
}

// TestCheckAfterAnInterruptedPass finds no fault in deleted allocations some of whose records
// a canceled pass has removed.
func TestCheckAfterAnInterruptedPass(t *testing.T) {
	t.Parallel()
	const n = 3000 // more than one transaction removes
	s := open(t, tempPath(t, "deleted.db"), &store.Options{FeedRetention: -1})
	var place, remove store.Batch
	for i := range n {
		place.Upsert(placed(i))
		remove.Delete(idOf(i))
	}
	for _, b := range []*store.Batch{&place, &remove} {
		apply(t, s, b)
	}
	dead := s.Stats().DeadBytes
	require.ErrorIs(t, s.Sweep(cancelAfter(t.Context(), 3)), context.Canceled)
	require.Less(t, s.Stats().DeadBytes, dead)
	require.Equal(t, n, s.Stats().Tombstones)
	require.Empty(t, store.Faults(s))
}

// countdown is a context that is canceled after some calls of Err.
type countdown struct {
	context.Context
	left   atomic.Int32
	cancel context.CancelFunc
}

func cancelAfter(parent context.Context, calls int32) *countdown {
	c := new(countdown)
	c.Context, c.cancel = context.WithCancel(parent)
	c.left.Store(calls)
	return c
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// TestCompactAtTheLargestIndex compacts a store whose last index is the largest there can be.
func TestCompactAtTheLargestIndex(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "last.db"), &store.Options{FeedRetention: -1})
	upsert(t, s, placed(1), placed(2))
	var b store.Batch
	b.Delete(idOf(1))
	_, err := s.ApplyAt(t.Context(), math.MaxUint64-1, &b)
	require.NoError(t, err)
	require.NoError(t, s.Compact(t.Context()))
	require.Zero(t, s.Stats().DeadBytes)
	mustGet(t, s, 2)
	_, err = s.Upsert(t.Context(), placed(3))
	require.Error(t, err, "there is no index left")
}

// TestOpenRemovesAnUnfinishedRewrite opens a store beside the temporary file that a crash in
// Compact leaves. The temporary file of another store stays.
func TestOpenRemovesAnUnfinishedRewrite(t *testing.T) {
	t.Parallel()
	s, path := mostlyDead(t)
	shut(t, s)
	dir := filepath.Dir(path)
	writeFile(t, filepath.Join(dir, ".compact.db.new-123"), "half a file")
	other := filepath.Join(dir, ".other.db.new-123")
	writeFile(t, other, "another store's file")
	s = open(t, path, nil)
	require.NoError(t, os.Remove(other), "another store's file stays")
	onlyFile(t, path)
	require.NoError(t, errors.Join(s.Close(), s.Close()))
}
