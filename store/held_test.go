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
	heldCommits = 10_000 // while readers are open
	heldWaiters = 1_000
	heldAllocs  = 20 // written meanwhile
	heldWriters = 3
)

// heldReaders are readers that stay open: a snapshot, a feed whose reader pauses, and waiters.
// Half of the waiters wait for a change of an allocation, half for an absent one.
type heldReaders struct {
	s       *store.Store
	sn      *store.Snapshot
	content []string // of the snapshot

	next func() (store.Change, error, bool)
	stop func()
	read store.Change // the latest

	waiting sync.WaitGroup
	results chan store.WaitResult
	errs    chan error
}

// waitedFor returns the number of the n-th waiter's allocation.
func waitedFor(n int) int { return heldAllocs + n }

func holdReaders(t *testing.T, s *store.Store) *heldReaders {
	t.Helper()
	var b store.Batch
	for n := range heldAllocs {
		b.Upsert(placed(n))
	}
	for n := range heldWaiters / 2 {
		b.Upsert(placed(waitedFor(n)))
	}
	index := apply(t, s, &b)
	h := &heldReaders{s: s, results: make(chan store.WaitResult, heldWaiters), errs: make(chan error, heldWaiters)}
	var err error
	h.sn, err = s.Snapshot()
	require.NoError(t, err)
	h.content = h.readSnapshot(t)
	h.next, h.stop = iter.Pull2(s.Changes(context.Background(), 0))
	h.read, err, _ = h.next()
	require.NoError(t, err)
	h.wait(index)
	for s.Stats().Waiters < heldWaiters {
		time.Sleep(time.Millisecond)
	}
	return h
}

// wait starts all waiters.
func (h *heldReaders) wait(above uint64) {
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

// readSnapshot returns the content of the snapshot.
func (h *heldReaders) readSnapshot(t *testing.T) (all []string) {
	t.Helper()
	for a, err := range h.sn.All() {
		require.NoError(t, err)
		all = append(all, text(a))
	}
	return all
}

// commit changes the allocations without waiters by a few writers, until there were heldCommits
// commits. It returns the duration of each write, by writer.
func (h *heldReaders) commit(t *testing.T) [][]time.Duration {
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

// median returns the median of the first or the last thousand durations.
func median(took [][]time.Duration, last bool) time.Duration {
	var all []time.Duration
	for _, writer := range took {
		n := min(len(writer), 1000/heldWriters)
		if last {
			all = append(all, writer[len(writer)-n:]...)
		} else {
			all = append(all, writer[:n]...)
		}
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// TestHeldReaders makes many commits while readers stay open, with default options. The readers
// must slow down no commit and must not make the file grow, and they must go on afterwards. An
// open bbolt transaction would fail the test: the file grows by several pages with each commit,
// because bbolt reuses no page that the transaction may read.
func TestHeldReaders(t *testing.T) {
	s := open(t, filepath.Join(damagetest.Dir(t), "held.db"), nil)
	h := holdReaders(t, s)
	before := s.Stats()
	took := h.commit(t)
	after := s.Stats()
	require.Equal(t, heldWaiters, after.Waiters, "no waiter was woken")
	require.Equal(t, 2, after.Readers, "the snapshot and the feed")

	first, last := median(took, false), median(took, true)
	written := after.LiveBytes + after.DeadBytes - before.LiveBytes - before.DeadBytes
	t.Logf("%d commits, the median at first %v, at last %v; %d bytes of records, the file grew by %d",
		after.Commits-before.Commits, first, last, written, after.FileBytes-before.FileBytes)
	require.Less(t, last, 5*first+time.Millisecond/2, "readers slow down commits")
	require.Less(t, after.FileBytes-before.FileBytes, 4*written+16<<20, "the file grows by more than the records written")

	h.resume(t)
	h.close(t)
}

// resume reads the rest of the snapshot and of the feed, and changes the allocations that half
// of the waiters wait for.
func (h *heldReaders) resume(t *testing.T) {
	t.Helper()
	require.Equal(t, h.content, h.readSnapshot(t), "the snapshot")
	for last := h.s.LastIndex(); h.read.Index < last; {
		ch, err, ok := h.next()
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, ch.Index == h.read.Index && !h.read.Last || ch.Index == h.read.Index+1 && h.read.Last,
			"the feed skips no change: %+v after %+v", ch, h.read)
		h.read = ch
	}
	var b store.Batch
	for n := range heldWaiters / 2 {
		b.Upsert(changedName(waitedFor(n)))
	}
	index := apply(t, h.s, &b)
	for range heldWaiters / 2 {
		select {
		case r := <-h.results:
			require.Equal(t, []any{store.Changed, index, "changed"}, []any{r.Outcome, r.Index, r.Alloc.Name})
		case <-time.After(time.Minute):
			require.Fail(t, "a waiter was not woken")
		}
	}
}

// close closes the store under the readers that are still open. Close would block if a reader
// held a transaction.
func (h *heldReaders) close(t *testing.T) {
	t.Helper()
	require.Empty(t, store.Faults(h.s))
	closed := make(chan error, 1)
	go func() { closed <- h.s.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "a reader holds a transaction")
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
