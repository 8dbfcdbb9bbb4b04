package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// bubble runs fn under synctest with a store of its own.
func bubble(t *testing.T, fn func(t *testing.T, s *store.Store)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(tempPath(t, "wait.db"), nil)
		require.NoError(t, err)
		fn(t, s)
		require.Zero(t, s.Stats().Waiters, "a wait leaves no registration behind")
		shut(t, s)
	})
}

// waiting is a wait in the background, and its duration.
type waiting struct {
	result store.WaitResult
	err    error
	took   time.Duration
	done   chan struct{}
}

// wait starts a Wait for one ID, or a WaitAny for several.
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

// returned returns the result of a wait that must have returned.
func (w *waiting) returned(t *testing.T) store.WaitResult {
	t.Helper()
	synctest.Wait()
	select {
	case <-w.done:
	default:
		require.Fail(t, "the wait did not return")
	}
	require.NoError(t, w.err)
	return w.result
}

// TestWaitOutcomes waits for an allocation that is placed, updated, deleted and placed again.
func TestWaitOutcomes(t *testing.T) {
	ctx := context.Background()
	above := func(index uint64) store.QueryOptions { return store.QueryOptions{MinQueryIndex: index} }
	bubble(t, func(t *testing.T, s *store.Store) {
		absent := wait(ctx, s, store.QueryOptions{}, idOf(1)).returned(t)
		require.Equal(t, store.WaitResult{ID: idOf(1), Index: 1, Outcome: store.NotFound}, absent,
			"MinQueryIndex 0 returns at once, with an index above 0")

		creation := wait(ctx, s, above(1), idOf(1))
		upsert(t, s, placed(2))
		creation.blocked(t, "another allocation was written")
		index := upsert(t, s, placed(1))
		r := creation.returned(t)
		require.Equal(t, []any{store.Changed, index, idOf(1)}, []any{r.Outcome, r.Index, r.Alloc.ID}, "a wait for an unknown ID returns when it is placed")

		require.Equal(t, r, wait(ctx, s, above(index-1), idOf(1)).returned(t), "a change above the index returns at once")
		update := wait(ctx, s, above(index), idOf(1))
		unchanged, err := s.Upsert(ctx, placed(1))
		require.NoError(t, err)
		require.Equal(t, store.Applied{Index: index, Unchanged: 1}, unchanged)
		update.blocked(t, "a write that changes nothing wakes no waiter")
		future := wait(ctx, s, above(1000), idOf(1))
		deletion, err := s.Delete(ctx, idOf(1))
		require.NoError(t, err)
		want := store.WaitResult{ID: idOf(1), Index: deletion.Index, Outcome: store.Deleted}
		require.Equal(t, want, update.returned(t), "deleted during the wait")
		require.Equal(t, want, wait(ctx, s, above(index), idOf(1)).returned(t), "deleted before the wait")
		require.Equal(t, want, wait(ctx, s, store.QueryOptions{}, idOf(1)).returned(t))

		reborn := wait(ctx, s, above(deletion.Index), idOf(1))
		reborn.blocked(t, "nothing changed above the deletion")
		require.Equal(t, upsert(t, s, placed(1)), reborn.returned(t).Index)
		future.blocked(t, "an index in the future waits")
		<-future.done
		require.Equal(t, store.TimedOut, future.result.Outcome)
		require.Equal(t, deletion.Index+1, future.result.Index, "a wait above the last index returns the real index")
	})
}

// TestWaitTime checks the bounds and the jitter of MaxQueryTime.
func TestWaitTime(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		index := upsert(t, s, placed(1))
		for _, c := range []struct{ asked, min time.Duration }{
			{0, 5 * time.Minute}, {-time.Hour, 5 * time.Minute}, {time.Second, time.Second},
			{10 * time.Minute, 10 * time.Minute}, {time.Hour, 10 * time.Minute}, {1, 1},
		} {
			spread := map[time.Duration]bool{}
			for range 50 {
				w := wait(context.Background(), s, store.QueryOptions{MinQueryIndex: index, MaxQueryTime: c.asked}, idOf(1))
				<-w.done
				require.NoError(t, w.err, "running out of time is no error")
				require.Equal(t, []any{store.TimedOut, index, idOf(1)}, []any{w.result.Outcome, w.result.Index, w.result.Alloc.ID}, "the current data")
				require.GreaterOrEqual(t, w.took, c.min)
				require.LessOrEqual(t, w.took, c.min+c.min/16, "the jitter is below a sixteenth")
				spread[w.took] = true
			}
			require.True(t, len(spread) > 10 || c.min < 16, "the jitter differs: %v", spread)
		}
		absent := wait(context.Background(), s, store.QueryOptions{MinQueryIndex: 1}, idOf(9))
		<-absent.done
		require.Equal(t, store.WaitResult{ID: idOf(9), Index: index, Outcome: store.TimedOut}, absent.result, "an absent ID has the store's last index")
	})
}

// TestWaitEnds ends a wait by its context, and one by Close.
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

func TestWaitRefusesInvalidIDs(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		for _, ids := range [][]string{{"x"}, {""}, {}, {idOf(1), "x"}} {
			w := wait(t.Context(), s, store.QueryOptions{}, ids...)
			<-w.done
			require.ErrorIs(t, w.err, store.ErrInvalidID, "%q", ids)
		}
	})
}

// TestWaitAny waits for two allocations and an absent one.
func TestWaitAny(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		first := upsert(t, s, placed(1))
		second := upsert(t, s, placed(2))
		ids := []string{idOf(2), idOf(1), idOf(3)}
		r := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: 1}, ids...).returned(t)
		require.Equal(t, []any{idOf(1), first}, []any{r.ID, r.Index}, "the change with the lowest index comes first")
		r = wait(t.Context(), s, store.QueryOptions{MinQueryIndex: r.Index}, ids...).returned(t)
		require.Equal(t, []any{idOf(2), second}, []any{r.ID, r.Index})
		w := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: r.Index}, ids...)
		w.blocked(t, "both changes were returned")
		upsert(t, s, placed(4))
		w.blocked(t, "another allocation was written")
		third := upsert(t, s, placed(3))
		require.Equal(t, third, w.returned(t).Index)
		w = wait(t.Context(), s, store.QueryOptions{MinQueryIndex: third}, ids...)
		<-w.done
		require.Equal(t, store.WaitResult{Index: third, Outcome: store.TimedOut}, w.result)
	})
}

// TestWaitsOfMinutes blocks 10,000 readers, each on its own allocation, and writes every second
// allocation. Only the waiters of these wake, and all others time out.
func TestWaitsOfMinutes(t *testing.T) {
	const n = 10_000
	bubble(t, func(t *testing.T, s *store.Store) {
		var b store.Batch
		for i := range n {
			b.Upsert(placed(i))
		}
		index := apply(t, s, &b)
		var changed, timedOut atomic.Int64
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				r, err := s.Wait(t.Context(), idOf(i), store.QueryOptions{MinQueryIndex: index})
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
		apply(t, s, &updates)
		synctest.Wait()
		require.Equal(t, n/2, s.Stats().Waiters, "a write wakes exactly the waiters of the allocations that it changed")
		wg.Wait()
		require.Equal(t, []int64{n / 2, n / 2}, []int64{changed.Load(), timedOut.Load()})
	})
}

// TestWaitAfterRestoreAndCompaction waits in stores with the marks of a restore and of compaction.
func TestWaitAfterRestoreAndCompaction(t *testing.T) {
	path := tempPath(t, "marks.db")
	s := openToClose(t, path, nil)
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
	path = tempPath(t, "floor.db")
	s = openToClose(t, path, nil)
	upsert(t, s, placed(1), placed(2))
	shut(t, s)
	mark(t, path, "floor", 2)
	s = open(t, path, nil)
	require.Equal(t, store.WaitResult{ID: idOf(7), Index: 2, Outcome: store.Compacted}, outcome(idOf(7), 1))
	require.Equal(t, store.TimedOut, outcome(idOf(7), 2).Outcome)
	for _, err := range s.Changes(t.Context(), 1) {
		require.ErrorIs(t, err, store.ErrCompacted)
	}
}
