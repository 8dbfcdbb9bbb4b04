package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
)

// idOf is the n-th ID of a test.
func idOf(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// placed is an allocation as a scheduler places it.
func placed(n int) *schema.Allocation {
	return &schema.Allocation{
		ID: idOf(n), EvalID: "eval", NodeID: fmt.Sprint("node", n), JobID: "job", ClientStatus: "pending",
		Job: &schema.Job{ID: "job"},
	}
}

// bubble runs fn under synctest with a store of its own.
func bubble(t *testing.T, fn func(t *testing.T, s *store.Store)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(filepath.Join(t.TempDir(), "wait.db"), nil)
		require.NoError(t, err)
		fn(t, s)
		require.Zero(t, s.Stats().Waiters, "a wait leaves no registration behind")
		shut(t, s)
	})
}

// waiting is a wait in the background, and how long it took.
type waiting struct {
	result store.WaitResult
	err    error
	took   time.Duration
	done   chan struct{}
}

func wait(ctx context.Context, s *store.Store, opts store.QueryOptions, ids ...string) *waiting {
	w := &waiting{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		began := time.Now()
		if len(ids) == 1 {
			w.result, w.err = s.Wait(ctx, ids[0], opts)
		} else {
			w.result, w.err = s.WaitAny(ctx, ids, opts)
		}
		w.took = time.Since(began)
	}()
	return w
}

// blocked fails the test if the wait has returned.
func (w *waiting) blocked(t *testing.T, why string) {
	t.Helper()
	synctest.Wait()
	select {
	case <-w.done:
		require.Fail(t, "the wait returned", "%s: %+v, %v", why, w.result, w.err)
	default:
	}
}

// returned is the result of a wait that has nothing more to wait for.
func (w *waiting) returned(t *testing.T) store.WaitResult {
	t.Helper()
	synctest.Wait()
	select {
	case <-w.done:
	default:
		require.Fail(t, "the wait goes on")
	}
	require.NoError(t, w.err)
	return w.result
}

func upsert(t *testing.T, s *store.Store, allocs ...*schema.Allocation) uint64 {
	t.Helper()
	a, err := s.Upsert(t.Context(), allocs...)
	require.NoError(t, err)
	return a.Index
}

func TestWaitOutcomes(t *testing.T) {
	ctx := context.Background()
	above := func(index uint64) store.QueryOptions { return store.QueryOptions{MinQueryIndex: index} }
	bubble(t, func(t *testing.T, s *store.Store) {
		absent := wait(ctx, s, store.QueryOptions{}, idOf(1))
		require.Equal(t, store.WaitResult{ID: idOf(1), Index: 1, Outcome: store.NotFound}, absent.returned(t), "index 0 returns at once, and never index 0")

		creation := wait(ctx, s, above(1), idOf(1))
		upsert(t, s, placed(2))
		creation.blocked(t, "another allocation was written")
		index := upsert(t, s, placed(1))
		r := creation.returned(t)
		require.Equal(t, []any{store.Changed, index, idOf(1)}, []any{r.Outcome, r.Index, r.Alloc.ID}, "an ID never seen is waited for until it is placed")

		require.Equal(t, r, wait(ctx, s, above(index-1), idOf(1)).returned(t), "a change above the index returns at once")
		update := wait(ctx, s, above(index), idOf(1))
		unchanged, err := s.Upsert(ctx, placed(1))
		require.NoError(t, err)
		require.Equal(t, store.Applied{Index: index, Unchanged: 1}, unchanged)
		update.blocked(t, "a write that changes nothing wakes nobody")
		future := wait(ctx, s, above(1000), idOf(1))
		deletion, err := s.Delete(ctx, idOf(1))
		require.NoError(t, err)
		want := store.WaitResult{ID: idOf(1), Index: deletion.Index, Outcome: store.Deleted}
		require.Equal(t, want, update.returned(t), "deleted during the wait")
		require.Equal(t, want, wait(ctx, s, above(index), idOf(1)).returned(t), "deleted before the wait")
		require.Equal(t, want, wait(ctx, s, store.QueryOptions{}, idOf(1)).returned(t))

		reborn := wait(ctx, s, above(deletion.Index), idOf(1))
		reborn.blocked(t, "nothing has changed above the deletion")
		require.Equal(t, upsert(t, s, placed(1)), reborn.returned(t).Index)
		future.blocked(t, "an index in the future waits")
		<-future.done
		require.Equal(t, store.TimedOut, future.result.Outcome)
		require.Equal(t, deletion.Index+1, future.result.Index, "and returns the real index")
	})
}

func TestWaitTime(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		index := upsert(t, s, placed(1))
		for _, c := range []struct{ asked, least time.Duration }{
			{0, 5 * time.Minute}, {-time.Hour, 5 * time.Minute}, {time.Second, time.Second},
			{10 * time.Minute, 10 * time.Minute}, {time.Hour, 10 * time.Minute}, {1, 1},
		} {
			spread := map[time.Duration]bool{}
			for range 50 {
				w := wait(context.Background(), s, store.QueryOptions{MinQueryIndex: index, MaxQueryTime: c.asked}, idOf(1))
				<-w.done
				require.NoError(t, w.err, "running out of time is no error")
				require.Equal(t, []any{store.TimedOut, index, idOf(1)}, []any{w.result.Outcome, w.result.Index, w.result.Alloc.ID}, "the current data")
				require.GreaterOrEqual(t, w.took, c.least)
				require.LessOrEqual(t, w.took, c.least+c.least/16, "the jitter is below a sixteenth")
				spread[w.took] = true
			}
			require.True(t, len(spread) > 10 || c.least < 16, "the jitter differs: %v", spread)
		}
		absent := wait(context.Background(), s, store.QueryOptions{MinQueryIndex: 1}, idOf(9))
		<-absent.done
		require.Equal(t, store.WaitResult{ID: idOf(9), Index: index, Outcome: store.TimedOut}, absent.result, "an absent ID has the store's last index")
	})
}

func TestWaitEnds(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		index := upsert(t, s, placed(1))
		ctx, cancel := context.WithCancel(t.Context())
		w := wait(ctx, s, store.QueryOptions{MinQueryIndex: index}, idOf(1))
		w.blocked(t, "nothing has changed")
		cancel()
		<-w.done
		require.ErrorIs(t, w.err, context.Canceled)
		require.Zero(t, w.took, "ctx ends a wait at once")
		_, err := s.Wait(ctx, idOf(1), store.QueryOptions{})
		require.ErrorIs(t, err, context.Canceled)

		w = wait(t.Context(), s, store.QueryOptions{MinQueryIndex: index}, idOf(1), idOf(2))
		w.blocked(t, "nothing has changed")
		shut(t, s)
		<-w.done
		require.ErrorIs(t, w.err, store.ErrClosed)
		_, err = s.Wait(t.Context(), idOf(1), store.QueryOptions{})
		require.ErrorIs(t, err, store.ErrClosed)
	})
}

func TestWaitRefusesWhatIsNoID(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		for _, ids := range [][]string{{"x"}, {""}, {}, {idOf(1), "x"}} {
			w := wait(t.Context(), s, store.QueryOptions{}, ids...)
			<-w.done
			require.ErrorIs(t, w.err, store.ErrInvalidID, "%q", ids)
		}
	})
}

func TestWaitAny(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		first := upsert(t, s, placed(1))
		second := upsert(t, s, placed(2))
		ids := []string{idOf(2), idOf(1), idOf(3)}
		r := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: 1}, ids...).returned(t)
		require.Equal(t, []any{idOf(1), first}, []any{r.ID, r.Index}, "of several changes the lowest, so that the other is not missed")
		r = wait(t.Context(), s, store.QueryOptions{MinQueryIndex: r.Index}, ids...).returned(t)
		require.Equal(t, []any{idOf(2), second}, []any{r.ID, r.Index})
		w := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: r.Index}, ids...)
		w.blocked(t, "both have been seen")
		upsert(t, s, placed(4))
		w.blocked(t, "a fourth was written")
		third := upsert(t, s, placed(3))
		require.Equal(t, third, w.returned(t).Index)
		w = wait(t.Context(), s, store.QueryOptions{MinQueryIndex: third}, ids...)
		<-w.done
		require.Equal(t, store.WaitResult{Index: third, Outcome: store.TimedOut}, w.result)
	})
}

// TestWaitsOfMinutes parks 10,000 readers, each on its own allocation, and wakes
// exactly every second one.
func TestWaitsOfMinutes(t *testing.T) {
	const n = 10_000
	bubble(t, func(t *testing.T, s *store.Store) {
		var b store.Batch
		for i := range n {
			b.Upsert(placed(i))
		}
		a, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
		var changed, timedOut atomic.Int64
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				r, err := s.Wait(t.Context(), idOf(i), store.QueryOptions{MinQueryIndex: a.Index})
				switch {
				case err != nil || r.ID != idOf(i):
					t.Errorf("wait for %s: %+v, %v", idOf(i), r, err)
				case r.Outcome == store.Changed && i%2 == 0:
					changed.Add(1)
				case r.Outcome == store.TimedOut && i%2 == 1:
					timedOut.Add(1)
				}
			})
		}
		synctest.Wait()
		require.Equal(t, n, s.Stats().Waiters)
		var updates store.Batch
		for i := 0; i < n; i += 2 {
			updates.UpdateFromClient(&schema.Allocation{ID: idOf(i), ClientStatus: "running"})
		}
		_, err = s.Apply(t.Context(), &updates)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, n/2, s.Stats().Waiters, "a write wakes exactly the waiters of what it changed")
		wg.Wait()
		require.Equal(t, []int64{n / 2, n / 2}, []int64{changed.Load(), timedOut.Load()})
	})
}

// TestWaitAfterRestoreAndCompaction opens a file with the marks that a restore and
// a compaction leave.
func TestWaitAfterRestoreAndCompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks.db")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	for i := range 20 {
		upsert(t, s, placed(i))
	}
	shut(t, s)
	mark(t, path, "floor", 5)
	mark(t, path, "restored", 10)
	s = open(t, path, nil)
	outcome := func(id string, min uint64) store.WaitResult {
		r, err := s.Wait(t.Context(), id, store.QueryOptions{MinQueryIndex: min, MaxQueryTime: 1})
		require.NoError(t, err)
		r.Alloc = nil
		return r
	}
	require.Equal(t, store.WaitResult{ID: idOf(3), Index: 10, Outcome: store.Restored}, outcome(idOf(3), 9), "the index is never below the restore's")
	require.Equal(t, store.WaitResult{ID: idOf(3), Index: 10, Outcome: store.TimedOut}, outcome(idOf(3), 10))
	mark2 := filepath.Join(t.TempDir(), "floor.db")
	s2, err := store.Open(mark2, noticing)
	require.NoError(t, err)
	upsert(t, s2, placed(1), placed(2))
	shut(t, s2)
	mark(t, mark2, "floor", 2)
	s = open(t, mark2, nil)
	require.Equal(t, store.WaitResult{ID: idOf(7), Index: 2, Outcome: store.Compacted}, outcome(idOf(7), 1))
	require.Equal(t, store.TimedOut, outcome(idOf(7), 2).Outcome)
	for _, err := range s.Changes(t.Context(), 1) {
		require.ErrorIs(t, err, store.ErrCompacted)
	}
}

// mark puts an index into the meta bucket of a closed store.
func mark(t *testing.T, path, key string, index uint64) {
	t.Helper()
	edit(t, path, func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		err := errors.Join(meta.Delete([]byte("sum")), meta.Put([]byte("format"), []byte{3: 1}))
		if err != nil {
			return err
		}
		return meta.Put([]byte(key), binary.BigEndian.AppendUint64(nil, index))
	})
}
