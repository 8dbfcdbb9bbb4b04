package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A follower waits for several allocations, and keeps the last result for each.
type follower struct {
	ids    []string
	latest map[string]store.WaitResult
	min    uint64
}

// follow waits repeatedly, each time above the last index returned, until a wait that began
// after done was set times out.
func (f *follower) follow(s *store.Store, done *atomic.Bool) error {
	for {
		last := done.Load()
		r, err := s.WaitAny(context.Background(), f.ids, store.QueryOptions{MinQueryIndex: f.min, MaxQueryTime: time.Millisecond})
		if err != nil {
			return err
		}
		if r.Index == 0 || r.Index < f.min {
			return fmt.Errorf("after %d: %+v", f.min, r)
		}
		f.min = r.Index
		switch {
		case r.Outcome == store.Compacted:
			if err := f.start(s); err != nil {
				return err
			}
			continue
		case r.Outcome != store.TimedOut:
			f.latest[r.ID] = r
			continue
		}
		if last {
			return nil
		}
	}
}

// start reads the current state of each allocation.
func (f *follower) start(s *store.Store) error {
	for _, id := range f.ids {
		r, err := s.Wait(context.Background(), id, store.QueryOptions{})
		if err != nil {
			return err
		}
		f.latest[id] = r
	}
	return nil
}

// check compares the follower's last results with the store.
func (f *follower) check(t *testing.T, s *store.Store) {
	t.Helper()
	for _, id := range f.ids {
		now, err := s.Wait(t.Context(), id, store.QueryOptions{})
		require.NoError(t, err)
		latest, ok := f.latest[id]
		switch {
		case now.Alloc != nil:
			require.Equal(t, []any{store.Changed, now.Index, now.Alloc}, []any{latest.Outcome, latest.Index, latest.Alloc}, id)
		case ok:
			require.Nil(t, latest.Alloc, "%s is deleted, and the last result is %+v", id, latest)
		}
	}
}

// TestWaitAnyMissesNothing follows several allocations that are written, deleted, placed again
// and forgotten. When the writers pause, each follower must have the latest state of every
// allocation.
func TestWaitAnyMissesNothing(t *testing.T) {
	t.Parallel()
	const ids, rounds, writers, writes, followers = 5, 200, 3, 4, 2
	s := open(t, tempPath(t, "any.db"), &store.Options{FeedRetention: -1, ResidentBytes: 1})
	all := make([]*follower, followers)
	for i := range all {
		all[i] = &follower{latest: make(map[string]store.WaitResult)}
		for k := range ids {
			all[i].ids = append(all[i].ids, idOf((k+i)%ids))
		}
	}
	for round := range rounds {
		var reading, writing sync.WaitGroup
		var done atomic.Bool
		for w := range writers {
			r := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			writing.Go(func() {
				for range writes {
					if err := writeOne(t.Context(), s, r, ids); err != nil {
						t.Error(err)
					}
				}
			})
		}
		if round%2 == 0 {
			writing.Wait() // so that the followers start far behind
		}
		for _, f := range all {
			reading.Go(func() {
				if err := f.follow(s, &done); err != nil {
					t.Error(err)
				}
			})
		}
		writing.Wait()
		done.Store(true)
		reading.Wait()
		for _, f := range all {
			f.check(t, s)
		}
	}
}

// writeOne updates, places or deletes one of ids allocations, or sweeps the store.
func writeOne(ctx context.Context, s *store.Store, r *rand.Rand, ids int) (err error) {
	switch id := r.IntN(ids); r.IntN(10) {
	case 0:
		_, err = s.Delete(ctx, idOf(id))
	case 1, 2:
		_, err = s.Upsert(ctx, placed(id))
	case 3:
		err = s.Sweep(ctx)
	default:
		_, err = s.UpdateFromClient(ctx, &schema.Allocation{ID: idOf(id), ClientDescription: fmt.Sprint(r.Uint64())})
	}
	return err
}

// TestWaitAnyFromZero returns existing allocations in the order of their indexes.
func TestWaitAnyFromZero(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		ids := []string{idOf(3), idOf(1), idOf(2)}
		after := func(min uint64) store.WaitResult {
			r, err := s.WaitAny(t.Context(), ids, store.QueryOptions{MinQueryIndex: min})
			require.NoError(t, err)
			return r
		}
		require.Equal(t, store.WaitResult{ID: ids[0], Index: 1, Outcome: store.NotFound}, after(0))
		first, second := upsert(t, s, placed(1)), upsert(t, s, placed(3))
		for range 2 {
			r := after(0)
			require.Equal(t, []any{idOf(1), first, store.Changed}, []any{r.ID, r.Index, r.Outcome})
			r = after(r.Index)
			require.Equal(t, []any{idOf(3), second, store.Changed}, []any{r.ID, r.Index, r.Outcome})
		}
		last := upsert(t, s, placed(9))
		require.Equal(t, store.WaitResult{Index: last, Outcome: store.TimedOut}, after(second), "the store's last index")
	})
}

// TestWaitAnyOfOneTwice waits for the same ID in upper and in lower case.
func TestWaitAnyOfOneTwice(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		id := idOf(0xabcdef)
		w := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: 1}, strings.ToUpper(id), idOf(1), id)
		w.blocked(t, "the allocation does not exist")
		require.Equal(t, 1, s.Stats().Waiters)
		index := upsert(t, s, placed(0xabcdef))
		r := w.returned(t)
		require.Equal(t, []any{store.Changed, id, index}, []any{r.Outcome, r.ID, r.Index})
		r = wait(t.Context(), s, store.QueryOptions{}, strings.ToUpper(id)).returned(t)
		require.Equal(t, []any{store.Changed, id, index}, []any{r.Outcome, r.ID, r.Index})
		require.Zero(t, s.Stats().Waiters)
	})
}

// TestWaitAnyCompacted returns Compacted if one of the allocations may have been deleted and
// forgotten.
func TestWaitAnyCompacted(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "floor.db"), &store.Options{FeedRetention: -1})
	seen := upsert(t, s, placed(1), placed(2))
	upsert(t, s, changedName(2))
	remove(t, s, idOf(1))
	require.NoError(t, s.Sweep(t.Context()))
	last := upsert(t, s, placed(9))
	after := func(min uint64) store.WaitResult {
		got, err := s.WaitAny(t.Context(), []string{idOf(1), idOf(2)}, store.QueryOptions{MinQueryIndex: min, MaxQueryTime: time.Millisecond})
		require.NoError(t, err)
		return got
	}
	require.Equal(t, store.WaitResult{Index: last, Outcome: store.Compacted}, after(seen))
	require.Equal(t, store.WaitResult{Index: last, Outcome: store.TimedOut}, after(last))
}
