package store

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
)

// failing is a store whose file can be taken away from under it.
func failing(t *testing.T) (s *Store, path string, breakDisk func()) {
	t.Helper()
	var mu sync.Mutex
	var disk *os.File
	path = filepath.Join(t.TempDir(), "fail.db")
	s, err := Open(path, &Options{DetectMutation: true, openFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(name, flag, mode)
		disk = f
		return f, err
	}})
	require.NoError(t, err)
	return s, path, func() {
		mu.Lock()
		defer mu.Unlock()
		require.NoError(t, disk.Close())
	}
}

func testAlloc(n byte) *schema.Allocation {
	return &schema.Allocation{ID: schema.ID{n}.String(), NodeID: "node", Job: &schema.Job{ID: "job"}}
}

func TestFirstCommitErrorFailsTheStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, path, breakDisk := failing(t)
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
	for s.Stats().Waiters == 0 || s.Stats().Readers == 0 {
		runtime.Gosched()
	}
	breakDisk()
	_, err = s.Upsert(ctx, testAlloc(2))
	require.ErrorIs(t, err, ErrFailed, "the write whose commit went wrong")
	require.ErrorIs(t, err, os.ErrClosed, "the error has its cause")
	require.ErrorIs(t, <-wait, ErrFailed, "waiters wake with it")
	require.ErrorIs(t, <-feed, ErrFailed, "feeds end with it")
	_, err = s.Upsert(ctx, testAlloc(3))
	require.ErrorIs(t, err, ErrFailed, "later writes")
	_, err = s.Wait(ctx, testAlloc(1).ID, QueryOptions{MinQueryIndex: acknowledged.Index})
	require.ErrorIs(t, err, ErrFailed, "later waits")

	require.Equal(t, acknowledged.Index, s.LastIndex(), "nothing was published")
	_, err = s.Get(testAlloc(1).ID)
	require.NoError(t, err, "reads go on")
	_, err = s.Get(testAlloc(2).ID)
	require.ErrorIs(t, err, ErrNotFound, "what may not be on the disk is not visible")
	require.Error(t, s.Close(), "the file was closed already")

	again, err := Open(path, noticing)
	require.NoError(t, err, "reopening recovers")
	_, err = again.Get(testAlloc(1).ID)
	require.NoError(t, err, "what was acknowledged is there")
	_, err = again.Upsert(ctx, testAlloc(2))
	require.NoError(t, err)
	shut(t, again)
}

func TestCloseAnswersEverybody(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "close.db"), nil)
	require.NoError(t, err)
	ctx := context.Background()
	sn, err := s.Snapshot()
	require.NoError(t, err)
	var wg sync.WaitGroup
	answered := make([]error, 64)
	for i := range answered {
		wg.Go(func() {
			for answered[i] == nil {
				_, answered[i] = s.Upsert(ctx, testAlloc(byte(i)))
				_, _ = s.Delete(ctx, testAlloc(byte(i)).ID)
			}
		})
	}
	for s.LastIndex() < 50 {
		runtime.Gosched()
	}
	shut(t, s)
	wg.Wait()
	for _, err := range answered {
		require.ErrorIs(t, err, ErrClosed, "a write that races with Close is done or gets ErrClosed")
	}
	require.NoError(t, s.Close(), "Close is idempotent")
	_, err = s.Get(testAlloc(1).ID)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Snapshot()
	require.ErrorIs(t, err, ErrClosed)
	_, err = sn.Get(testAlloc(1).ID)
	require.ErrorIs(t, err, ErrClosed)
	for _, err := range sn.All() {
		require.ErrorIs(t, err, ErrClosed)
	}
	for _, err := range s.Changes(ctx, 0) {
		require.ErrorIs(t, err, ErrClosed)
	}
	require.NoError(t, sn.Close())
}

// TestWithdrawnWriteLeavesNothing ends the context of a queued write while the
// committer is busy with another.
func TestWithdrawnWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "withdraw.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	held, release := make(chan struct{}), make(chan struct{})
	go func() { // the committer waits for the write lock
		_ = s.state.Load().File.Update(func(logfile.Tx) (bool, error) {
			close(held)
			<-release
			return false, nil
		})
	}()
	<-held
	queued := func(n int) {
		for {
			s.committer.queue.Lock()
			waiting := len(s.committer.queue.waiting)
			s.committer.queue.Unlock()
			if waiting == n {
				return
			}
		}
	}
	var first Batch
	first.Upsert(testAlloc(1))
	busy := &request{batch: &first, answered: make(chan answer, 1)}
	require.NoError(t, s.committer.enqueue(busy))
	queued(0) // the committer has it
	ctx, cancel := context.WithCancel(context.Background())
	withdrawn := make(chan error)
	go func() { _, err := s.Upsert(ctx, testAlloc(2)); withdrawn <- err }()
	queued(1)
	cancel()
	require.ErrorIs(t, <-withdrawn, context.Canceled)
	close(release)
	require.NoError(t, (<-busy.answered).err)
	_, err = s.Get(testAlloc(2).ID)
	require.ErrorIs(t, err, ErrNotFound, "a write that was withdrawn is not done")
	_, err = s.Upsert(ctx, testAlloc(2))
	require.ErrorIs(t, err, context.Canceled)
}

// TestWokenBetweenTwoBatches wakes a waiter for one batch when the next one has
// replaced the version but is not published: it must neither return that, nor
// run out of time, nor miss its notification.
func TestWokenBetweenTwoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(filepath.Join(t.TempDir(), "woken.db"), nil)
		require.NoError(t, err)
		a, err := s.Upsert(t.Context(), testAlloc(1))
		require.NoError(t, err)
		result := make(chan WaitResult, 1)
		go func() {
			r, err := s.Wait(t.Context(), testAlloc(1).ID, QueryOptions{MinQueryIndex: a.Index})
			if err != nil {
				t.Error(err)
			}
			result <- r
		}()
		synctest.Wait()
		g, first, second := newGroup(&s.core), new(Batch), new(Batch)
		first.UpdateFromClient(&schema.Allocation{ID: testAlloc(1).ID, ClientStatus: "running"})
		second.UpdateFromClient(&schema.Allocation{ID: testAlloc(1).ID, ClientStatus: "complete"})
		require.NoError(t, g.commit([]*request{{batch: first}, {batch: second}}, nil, nil))
		one, two := g.plan.changes[:1], g.plan.changes[1:]
		g.publishVersions(one)
		g.publishVersions(two)
		g.publishIndex(one) // wakes it
		synctest.Wait()
		require.Equal(t, 1, s.watch.Len(), "it waits on")
		g.publishIndex(two)
		r := <-result
		require.Equal(t, []any{Changed, a.Index + 2}, []any{r.Outcome, r.Index})
		shut(t, s)
	})
}
