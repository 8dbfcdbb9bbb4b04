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

// onlyFile requires that the directory of path has that file and no other.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, []string{filepath.Base(path), "." + filepath.Base(path) + ".lock"}, e.Name())
	}
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
	shut(t, s)
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
		_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: 400 * time.Millisecond})
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
	_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1})
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
	shut(t, s)
	require.ErrorIs(t, <-ended, store.ErrClosed)
	onlyFile(t, path)
	open(t, path, nil)
}

// TestCompactOfAFileThatWasMoved touches neither the file nor what is in its place, and
// the store goes on.
func TestCompactOfAFileThatWasMoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "compact.db")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	upsert(t, s, placed(1))
	require.NoError(t, os.Rename(path, path+".away"))
	require.ErrorIs(t, s.Compact(t.Context()), fs.ErrNotExist)
	write(t, path, "of somebody else")
	require.ErrorContains(t, s.Compact(t.Context()), "the store's was moved")
	upsert(t, s, placed(2))
	shut(t, s)
	require.NoError(t, os.Rename(path+".away", path))
	again := open(t, path, nil)
	_, err = again.Get(idOf(2))
	require.NoError(t, err)
}

// TestCompactFindsItsFile opens the store by names that lead to the file in some other
// way, or do not lead there any more. What replaces it must take its place, its mode
// and the lock.
func TestCompactFindsItsFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file.db"), filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	t.Setenv("TMPDIR", "/dev/shm") // most likely another file system
	_, err := store.Open(link, noticing)
	require.ErrorIs(t, err, fs.ErrNotExist, "the link leads nowhere yet")
	for i, name := range []string{path, "file.db", "./file.db", link} {
		t.Chdir(dir)
		s, err := store.Open(name, noticing)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(path, 0o640))
		t.Chdir(t.TempDir())
		require.NoError(t, s.Compact(t.Context()), name)
		require.NoError(t, s.Compact(t.Context()), name)
		upsert(t, s, placed(i))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode(), name)
		_, err = store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1})
		require.ErrorIs(t, err, store.ErrLocked, name)
		shut(t, s)

		s, err = store.Open(path, noticing)
		require.NoError(t, err)
		require.Equal(t, i+1, s.Stats().Allocations, name)
		shut(t, s)
		onlyFile(t, path)
	}
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSymlink, info.Mode().Type())
}

// TestCompactAfterAnInterruptedPass removes what the pass before had not come to, also
// when the store was closed in between.
func TestCompactAfterAnInterruptedPass(t *testing.T) {
	t.Parallel()
	for _, reopened := range []bool{false, true} {
		s, path := outdated(t)
		ctx := newFuse(t.Context(), 3)
		require.ErrorIs(t, s.Sweep(ctx), context.Canceled)
		dead := s.Stats().DeadBytes
		require.Positive(t, dead, "the pass was not over")
		if reopened {
			shut(t, s)
			s = open(t, path, &store.Options{FeedRetention: -1})
			require.Equal(t, dead, s.Stats().DeadBytes)
		}
		require.NoError(t, s.Compact(t.Context()))
		require.Zero(t, s.Stats().DeadBytes)
	}
}

// TestCheckAfterAnInterruptedPass finds nothing wrong with allocations that are deleted and
// of whose records the pass has removed some.
func TestCheckAfterAnInterruptedPass(t *testing.T) {
	t.Parallel()
	const n = 3000 // more than is removed at once
	s := open(t, filepath.Join(t.TempDir(), "deleted.db"), &store.Options{FeedRetention: -1})
	var place, remove store.Batch
	for i := range n {
		place.Upsert(placed(i))
		remove.Delete(idOf(i))
	}
	for _, b := range []*store.Batch{&place, &remove} {
		_, err := s.Apply(t.Context(), b)
		require.NoError(t, err)
	}
	dead := s.Stats().DeadBytes
	require.ErrorIs(t, s.Sweep(newFuse(t.Context(), 3)), context.Canceled)
	require.Less(t, s.Stats().DeadBytes, dead)
	require.Equal(t, n, s.Stats().Tombstones)
	for err := range s.Check(t.Context()) {
		require.NoError(t, err)
	}
}

// fuse is a context that ends when it has been asked so many times.
type fuse struct {
	context.Context
	left atomic.Int32
	end  context.CancelFunc
}

func newFuse(parent context.Context, looks int32) *fuse {
	f := new(fuse)
	f.Context, f.end = context.WithCancel(parent)
	f.left.Store(looks)
	return f
}

func (f *fuse) Err() error {
	if f.left.Add(-1) < 0 {
		f.end()
	}
	return f.Context.Err()
}

// TestCompactAtTheLastIndex has nothing above it to go on from.
func TestCompactAtTheLastIndex(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "last.db"), &store.Options{FeedRetention: -1})
	upsert(t, s, placed(1), placed(2))
	var b store.Batch
	b.Delete(idOf(1))
	_, err := s.ApplyAt(t.Context(), math.MaxUint64-1, &b)
	require.NoError(t, err)
	require.NoError(t, s.Compact(t.Context()))
	require.Zero(t, s.Stats().DeadBytes)
	_, err = s.Get(idOf(2))
	require.NoError(t, err)
	_, err = s.Upsert(t.Context(), placed(3))
	require.Error(t, err, "there is no index left")
}

// TestOpenRemovesAnUnfinishedRewrite is what a crash in Compact leaves.
func TestOpenRemovesAnUnfinishedRewrite(t *testing.T) {
	t.Parallel()
	s, path := outdated(t)
	shut(t, s)
	dir := filepath.Dir(path)
	write(t, filepath.Join(dir, ".compact.db.new-123"), "half a file")
	other := filepath.Join(dir, ".other.db.new-123")
	write(t, other, "of another store")
	s = open(t, path, nil)
	require.NoError(t, os.Remove(other), "what is another store's stays")
	onlyFile(t, path)
	require.NoError(t, errors.Join(s.Close(), s.Close()))
}
