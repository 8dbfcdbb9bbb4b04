package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/logfile"
)

// openBreakable opens a store; see OpenBreakable.
func openBreakable(t *testing.T) (s *Store, path string, breakDisk func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fail.db")
	s, breakDisk = OpenBreakable(t, path)
	return s, path, breakDisk
}

// OpenBreakable opens a store. breakDisk closes the file under it, so that later commits fail.
func OpenBreakable(t *testing.T, path string) (s *Store, breakDisk func()) {
	t.Helper()
	var mu sync.Mutex
	var disk *os.File
	s, err := Open(path, &Options{DetectMutation: true, openFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(name, flag, mode)
		disk = f
		return f, err
	}})
	require.NoError(t, err)
	return s, func() {
		mu.Lock()
		defer mu.Unlock()
		require.NoError(t, disk.Close())
	}
}

// TestFirstCommitErrorFailsTheStore breaks the disk under a store with a blocked wait and an
// open feed.
func TestFirstCommitErrorFailsTheStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, path, breakDisk := openBreakable(t)
	acknowledged, err := s.Upsert(ctx, testAlloc(1))
	require.NoError(t, err)
	wait := make(chan error)
	go func() {
		_, err := s.Wait(ctx, testAlloc(1).ID, QueryOptions{MinQueryIndex: acknowledged.Index})
		wait <- err
	}()
	feed := make(chan error)
	go func() {
		var last error
		for _, err := range s.Changes(ctx, 0) {
			last = err
		}
		feed <- last
	}()
	list, stream := make(chan error), make(chan error)
	go func() {
		_, err := s.WaitList(ctx, Node("node"), QueryOptions{MinQueryIndex: acknowledged.Index})
		list <- err
	}()
	go func() {
		var last error
		for _, err := range s.Follow(ctx, Node("node"), acknowledged.Index) {
			last = err
		}
		stream <- last
	}()
	for s.Stats().Waiters < 3 || s.Stats().Readers < 2 {
		runtime.Gosched()
	}
	breakDisk()
	_, err = s.Upsert(ctx, testAlloc(2))
	require.ErrorIs(t, err, ErrFailed, "the write whose commit failed")
	require.ErrorIs(t, err, os.ErrClosed, "the error wraps its cause")
	require.ErrorIs(t, <-wait, ErrFailed, "the failure ends waits")
	require.ErrorIs(t, <-feed, ErrFailed, "the failure ends feeds")
	require.ErrorIs(t, <-list, ErrFailed, "the failure ends waits for lists")
	require.ErrorIs(t, <-stream, ErrFailed, "the failure ends streams of lists")
	_, err = s.Upsert(ctx, testAlloc(3))
	require.ErrorIs(t, err, ErrFailed, "later writes")
	_, err = s.Wait(ctx, testAlloc(1).ID, QueryOptions{MinQueryIndex: acknowledged.Index})
	require.ErrorIs(t, err, ErrFailed, "later waits")
	_, err = s.WaitList(ctx, Node("node"), QueryOptions{MinQueryIndex: acknowledged.Index})
	require.ErrorIs(t, err, ErrFailed, "later waits for lists")
	r, err := s.WaitList(ctx, Node("node"), QueryOptions{})
	require.NoError(t, err, "published lists can be read")
	require.Len(t, r.Changed, 1)
	require.ErrorIs(t, s.Err(), ErrFailed)
	require.ErrorIs(t, s.Err(), os.ErrClosed, "Err has the cause")

	require.Equal(t, acknowledged.Index, s.LastIndex(), "nothing was published")
	_, err = s.Get(testAlloc(1).ID)
	require.NoError(t, err, "reads go on")
	_, err = s.Get(testAlloc(2).ID)
	require.ErrorIs(t, err, ErrNotFound, "a write that may not be on the disk is not visible")
	require.Error(t, s.Close(), "the file was closed already")
	require.ErrorIs(t, s.Err(), ErrFailed, "Close does not hide why the store failed")

	again, err := Open(path, detecting)
	require.NoError(t, err, "reopening recovers")
	_, err = again.Get(testAlloc(1).ID)
	require.NoError(t, err, "an acknowledged write is on the disk")
	_, err = again.Upsert(ctx, testAlloc(2))
	require.NoError(t, err)
	require.NoError(t, again.Err())
	shut(t, again)
	require.ErrorIs(t, again.Err(), ErrClosed)
}

// TestCloseReturnsTheFailure closes a store whose commit failed, on a disk that can close the file.
func TestCloseReturnsTheFailure(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fail.db")
	s, err := Open(path, detecting)
	require.NoError(t, err)
	cause := fmt.Errorf("%w: %w", logfile.ErrOutcomeUnknown, os.ErrDeadlineExceeded)
	require.ErrorIs(t, s.committer.barrier(func() error { return cause }), ErrFailed)
	err = s.Close()
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the commit's error")
	require.NoError(t, s.Close(), "it is reported once")
	again, err := Open(path, detecting)
	require.NoError(t, err, "the file is not locked any more")
	shut(t, again)
}
