package store_test

import (
	"bytes"
	"context"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// waitApplied starts a WaitApplied. The channel has its error.
func waitApplied(ctx context.Context, s *store.Store, index uint64) chan error {
	done := make(chan error, 1)
	go func() { done <- s.WaitApplied(ctx, index) }()
	return done
}

// goroutines returns the number of goroutines in the bubble of the caller. Other tests have theirs.
func goroutines() int {
	stacks := make([]byte, 1<<22)
	own := string(stacks[:runtime.Stack(stacks, false)])
	bubble := regexp.MustCompile(`synctest bubble \d+\]`).FindString(own)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), bubble)
}

// TestWaitApplied ends each wait at its own index, with its context, and by Close. A wait takes no
// goroutine but the waiter's.
func TestWaitApplied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openToClose(t, tempPath(t, "wait.db"), nil)
		require.NoError(t, s.WaitApplied(t.Context(), 1))
		ctx, cancel := context.WithCancel(t.Context())
		synctest.Wait()
		before := goroutines()
		canceled := waitApplied(ctx, s, 10)
		waits := map[uint64]chan error{}
		for _, at := range []uint64{30, 5, 20, 7, 6, 40} {
			waits[at] = waitApplied(t.Context(), s, at)
		}
		blocked := func(indexes ...uint64) {
			t.Helper()
			synctest.Wait()
			for at, w := range waits {
				require.Equal(t, !slices.Contains(indexes, at), len(w) == 1, "a wait for %d at %d", at, s.AppliedIndex())
			}
		}
		blocked(5, 6, 7, 20, 30, 40)
		require.Equal(t, before+7, goroutines())
		_, err := s.ApplyEntries(t.Context(), []store.Entry{{Index: 6}})
		require.NoError(t, err)
		blocked(7, 20, 30, 40)
		cancel()
		require.ErrorIs(t, <-canceled, context.Canceled)
		require.ErrorIs(t, s.WaitApplied(ctx, 1), context.Canceled)
		_, err = s.ApplyAt(t.Context(), 20, new(store.Batch))
		require.NoError(t, err)
		blocked(30, 40)
		copied, _ := backupOf(t, s)
		applyEach(t, s, 29)
		require.NoError(t, s.Restore(t.Context(), bytes.NewReader(copied)))
		require.Equal(t, uint64(30), s.AppliedIndex())
		blocked(40)
		shut(t, s)
		require.ErrorIs(t, <-waits[40], store.ErrClosed)
		require.ErrorIs(t, s.WaitApplied(t.Context(), 1), store.ErrClosed)
	})
}

// TestAppliedIsVisible has readers wait for the index of each entry. All entries up to it can be
// read then.
func TestAppliedIsVisible(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "visible.db"), nil)
	const last = 400
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			for at := uint64(2); at <= last; at++ {
				if err := s.WaitApplied(ctx, at); err != nil {
					done <- err
					return
				}
				applied := s.AppliedIndex()
				if applied < at {
					t.Errorf("the applied index is %d after a wait for %d", applied, at)
				}
				if _, err := s.Get(idOf(int(at))); (err == nil) != (at%4 > 0) {
					t.Errorf("entry %d is applied: %v", at, err)
				}
				sn, err := s.Snapshot()
				if err == nil {
					_, err = sn.Get(idOf(int(at - at%4 + 1)))
				}
				if at%4 == 1 && err != nil {
					t.Errorf("entry %d is applied: %v", at, err)
				}
				_ = sn.Close()
			}
			done <- nil
		}()
	}
	for at := uint64(2); at <= last; {
		var entries []store.Entry
		for range 1 + at%7 {
			e := store.Entry{Index: at}
			if at%4 > 0 {
				e = entryOf(at, func(b *store.Batch) { b.Upsert(placed(int(at))) })
			}
			entries = append(entries, e)
			at++
		}
		_, err := s.ApplyEntries(t.Context(), entries)
		require.NoError(t, err)
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
}

// TestMark marks a restore in a store with all kinds of readers. Each is told once.
func TestMark(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := tempPath(t, "mark.db")
		s := openToClose(t, path, nil)
		applyEach(t, s, 2, 3, 4)
		type result struct {
			store.WaitResult
			err error
		}
		wait := func(min uint64, ids ...string) chan result {
			c := make(chan result, 1)
			go func() {
				r, err := s.WaitAny(t.Context(), ids, store.QueryOptions{MinQueryIndex: min})
				c <- result{r, err}
			}()
			return c
		}
		one, absent, several, future := wait(4, idOf(2)), wait(4, idOf(9)), wait(4, idOf(2), idOf(9)), wait(90, idOf(2))
		sn, err := s.Snapshot()
		require.NoError(t, err)
		feed, stream := make(chan error, 1), make(chan error, 1)
		go func() {
			for _, err := range s.Changes(t.Context(), 4) {
				feed <- err
			}
		}()
		go func() {
			for _, err := range s.Follow(t.Context(), store.Everything(), 4) {
				stream <- err
			}
		}()
		synctest.Wait()
		got, err := s.ApplyEntries(t.Context(), []store.Entry{{Index: 20, Mark: true}})
		require.NoError(t, err)
		require.Equal(t, []store.Result{{Applied: store.Applied{Index: 20}}}, got)
		require.Equal(t, []uint64{20, 20, 20}, []uint64{s.LastIndex(), s.AppliedIndex(), s.Stats().Floor})
		for name, c := range map[string]chan result{"one": one, "absent": absent, "several": several, "future": future} {
			r := <-c
			require.NoError(t, r.err, name)
			require.Equal(t, store.Restored, r.Outcome, name)
			require.Equal(t, uint64(20), r.Index, name)
		}
		require.ErrorIs(t, <-feed, store.ErrRestored)
		require.ErrorIs(t, <-stream, store.ErrRestored)
		_, err = sn.Get(idOf(2))
		require.ErrorIs(t, err, store.ErrRestored)
		require.NoError(t, sn.Close())
		for range 2 { // also after it was opened again
			require.Equal(t, store.Restored, (<-wait(19, idOf(2))).Outcome, "a reader that was between two waits")
			for _, err := range s.Changes(t.Context(), 19) {
				require.ErrorIs(t, err, store.ErrCompacted)
			}
			again := wait(20, idOf(2))
			synctest.Wait()
			require.Empty(t, again, "who knows of it is not told again")
			require.NotEmpty(t, contentOf(t, s))
			shut(t, s)
			require.ErrorIs(t, (<-again).err, store.ErrClosed)
			s = openToClose(t, path, nil)
		}
		shut(t, s)
	})
}

// TestMarkBesideReaders marks restores while compaction runs and readers go on. No result leads a
// reader past a mark without telling of it, and no index goes back.
func TestMarkBesideReaders(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "marks.db"), &store.Options{FeedRetention: -1})
	applyEach(t, s, 2, 3, 4)
	ctx, cancel := context.WithCancel(t.Context())
	const marks = 60
	told := make(chan int, 4)
	reader := func(next func(min uint64) (uint64, store.Outcome, error)) {
		n, last := 0, uint64(4)
		for {
			index, outcome, err := next(last)
			if err != nil {
				break
			}
			if index < last {
				t.Errorf("the index goes back from %d to %d: %v", last, index, outcome)
			}
			if outcome == store.Restored {
				n++
			} else if mark := min(index/10, marks) * 10; last < mark && mark <= index {
				t.Errorf("from %d to %d by %v, past the mark at %d", last, index, outcome, mark)
			}
			if last = index; last >= 10*marks+5 {
				break
			}
		}
		told <- n
	}
	opts := func(min uint64) store.QueryOptions {
		return store.QueryOptions{MinQueryIndex: min, MaxQueryTime: time.Millisecond}
	}
	go reader(func(min uint64) (uint64, store.Outcome, error) {
		r, err := s.WaitList(ctx, store.Everything(), opts(min))
		return r.Index, r.Outcome, err
	})
	go reader(func(min uint64) (uint64, store.Outcome, error) {
		r, err := s.WaitAny(ctx, []string{idOf(2), idOf(3), idOf(100)}, opts(min))
		return r.Index, r.Outcome, err
	})
	for mark := uint64(10); mark <= 10*marks; mark += 10 {
		_, err := s.ApplyEntries(t.Context(), []store.Entry{
			entryOf(mark-1, func(b *store.Batch) { b.Upsert(placed(2)); b.SetClientStatus(idOf(2), "running", time.Now().String()) }),
			{Index: mark, Mark: true},
			entryOf(mark+1, func(b *store.Batch) { b.SetClientStatus(idOf(3), "running", time.Now().String()) }),
		})
		require.NoError(t, err)
		require.NoError(t, s.Sweep(t.Context()))
		time.Sleep(5 * time.Millisecond) // so that each reader comes round between two marks
	}
	_, err := s.ApplyEntries(t.Context(), []store.Entry{entryOf(10*marks+5, func(b *store.Batch) { b.SetClientStatus(idOf(2), "running", "last") })})
	require.NoError(t, err)
	for range 2 {
		select {
		case n := <-told:
			require.Greater(t, n, marks/2)
		case <-time.After(time.Minute):
			require.Fail(t, "a reader has not come to the end")
		}
	}
	cancel()
}
