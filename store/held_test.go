package store_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/internal/damagetest"
)

const (
	heldCommits = 10_000 // transactions, while readers are held
	heldWaiters = 1_000
	heldAllocs  = 20 // that are written meanwhile
	heldWriters = 3
)

// held are readers that are in the middle of something: a snapshot that is open, a
// reader of the feed that has stopped reading, and waiters. Half of these wait for an
// allocation that is there, half for one that is yet to come.
type held struct {
	s     *store.Store
	sn    *store.Snapshot
	shown []string

	next func() (store.Change, error, bool)
	stop func()
	read store.Change // the last that was

	waiting sync.WaitGroup
	results chan store.WaitResult
	errs    chan error
}

// waitedFor is the n-th allocation that is waited for.
func waitedFor(n int) int { return heldAllocs + n }

func hold(t *testing.T, s *store.Store) *held {
	t.Helper()
	var b store.Batch
	for n := range heldAllocs {
		b.Upsert(placed(n))
	}
	for n := range heldWaiters / 2 {
		b.Upsert(placed(waitedFor(n)))
	}
	placed, err := s.Apply(t.Context(), &b)
	require.NoError(t, err)
	h := &held{s: s, results: make(chan store.WaitResult, heldWaiters), errs: make(chan error, heldWaiters)}
	h.sn, err = s.Snapshot()
	require.NoError(t, err)
	h.shown = h.shows(t)
	h.next, h.stop = iter.Pull2(s.Changes(context.Background(), 0))
	h.read, err, _ = h.next()
	require.NoError(t, err)
	h.wait(placed.Index)
	for s.Stats().Waiters < heldWaiters {
		time.Sleep(time.Millisecond)
	}
	return h
}

// wait has all waiters wait.
func (h *held) wait(above uint64) {
	for n := range heldWaiters {
		h.waiting.Go(func() {
			r, err := h.s.Wait(context.Background(), idOf(waitedFor(n)), store.QueryOptions{
				MinQueryIndex: above, MaxQueryTime: store.LongestMaxQueryTime,
			})
			if err != nil {
				h.errs <- err
				return
			}
			h.results <- r
		})
	}
}

// shows is what the snapshot shows.
func (h *held) shows(t *testing.T) (all []string) {
	t.Helper()
	for a, err := range h.sn.All() {
		require.NoError(t, err)
		all = append(all, text(a))
	}
	return all
}

// commit has a few writers change allocations that nobody waits for, until there were
// so many commits. It returns how long each change took, by writer.
func (h *held) commit(t *testing.T) [][]time.Duration {
	t.Helper()
	took := make([][]time.Duration, heldWriters)
	until := h.s.Stats().Commits + heldCommits
	var writing sync.WaitGroup
	for w := range heldWriters {
		writing.Go(func() {
			for n := 0; h.s.Stats().Commits < until; n++ {
				a := &schema.Allocation{ID: idOf((w + n) % heldAllocs), ClientDescription: fmt.Sprint(w, ".", n)}
				began := time.Now()
				if _, err := h.s.UpdateFromClient(context.Background(), a); err != nil {
					t.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	writing.Wait()
	return took
}

// median is that of a thousand of what was measured, the first or the last.
func median(took [][]time.Duration, last bool) time.Duration {
	var some []time.Duration
	for _, of := range took {
		n := min(len(of), 1000/heldWriters)
		if last {
			some = append(some, of[len(of)-n:]...)
		} else {
			some = append(some, of[:n]...)
		}
	}
	slices.Sort(some)
	return some[len(some)/2]
}

// TestHeldReaders makes many commits while readers are held, with the settings that
// the store has by itself. Neither the time of a commit nor the file may show that
// they are there, and afterwards they must go on as if nothing had happened. A
// transaction of bbolt that is held lets the file grow by several pages with each
// commit, because none is used again.
func TestHeldReaders(t *testing.T) {
	s := open(t, filepath.Join(damagetest.Dir(t), "held.db"), nil)
	h := hold(t, s)
	before := s.Stats()
	took := h.commit(t)
	after := s.Stats()
	require.Equal(t, heldWaiters, after.Waiters, "no waiter has been woken")
	require.Equal(t, 2, after.Readers, "the snapshot and the feed")

	first, last := median(took, false), median(took, true)
	written := after.LiveBytes + after.DeadBytes - before.LiveBytes - before.DeadBytes
	t.Logf("%d commits, the median at first %v, at last %v; %d bytes of records, the file grew by %d",
		after.Commits-before.Commits, first, last, written, after.FileBytes-before.FileBytes)
	require.Less(t, last, 5*first+time.Millisecond/2, "commits become slow")
	require.Less(t, after.FileBytes-before.FileBytes, 4*written+16<<20, "the file grows by more than what is written")

	h.goOn(t)
	h.close(t)
}

// goOn uses what was held.
func (h *held) goOn(t *testing.T) {
	t.Helper()
	require.Equal(t, h.shown, h.shows(t), "the snapshot")
	for last := h.s.LastIndex(); h.read.Index < last; {
		ch, err, ok := h.next()
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, ch.Index == h.read.Index && !h.read.Last || ch.Index == h.read.Index+1 && h.read.Last,
			"the feed leaves nothing out: %+v after %+v", ch, h.read)
		h.read = ch
	}
	var b store.Batch
	for n := range heldWaiters / 2 {
		b.Upsert(changedName(waitedFor(n)))
	}
	applied, err := h.s.Apply(t.Context(), &b)
	require.NoError(t, err)
	for range heldWaiters / 2 {
		select {
		case r := <-h.results:
			require.Equal(t, []any{store.Changed, applied.Index, "changed"}, []any{r.Outcome, r.Index, r.Alloc.Name})
		case <-time.After(time.Minute):
			require.Fail(t, "a waiter is not woken")
		}
	}
}

// close closes the store under those that are still held. It would block while a
// transaction is: that is how to know that there is none.
func (h *held) close(t *testing.T) {
	t.Helper()
	for err := range h.s.Check(t.Context()) {
		require.NoError(t, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- h.s.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "a transaction is held")
	}
	h.waiting.Wait()
	for range heldWaiters / 2 {
		require.ErrorIs(t, <-h.errs, store.ErrClosed)
	}
	_, err, _ := h.next()
	require.ErrorIs(t, err, store.ErrClosed)
	h.stop()
	require.NoError(t, h.sn.Close())
}
