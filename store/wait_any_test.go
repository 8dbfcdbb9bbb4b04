package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

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
			if err := f.keep(r); err != nil {
				return err
			}
			continue
		}
		if last {
			return nil
		}
	}
}

// keep keeps a result and its More.
func (f *follower) keep(r store.WaitResult) error {
	given := make(map[string]bool)
	for _, one := range append([]store.WaitResult{r}, r.More...) {
		f.latest[one.ID] = one
		if given[one.ID] || one.Index != r.Index || (one.Alloc == nil) != (one.Outcome == store.Deleted) {
			return fmt.Errorf("no result of index %d: %+v", r.Index, one)
		}
		given[one.ID] = true
	}
	return nil
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
// and forgotten, often several of them in one batch. When the writers pause, each follower must have the latest state of every
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
					if err := writeSome(t.Context(), s, r, ids); err != nil {
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

// writeSome updates, places or deletes some of ids allocations in one batch, or sweeps the store.
func writeSome(ctx context.Context, s *store.Store, r *rand.Rand, ids int) error {
	if r.IntN(10) == 0 {
		return s.Sweep(ctx)
	}
	var b store.Batch
	for range 1 + r.IntN(3) {
		switch id := r.IntN(ids); r.IntN(9) {
		case 0:
			b.Delete(idOf(id))
		case 1, 2:
			b.Upsert(placed(id))
		default:
			b.SetClientStatus(idOf(id), "running", fmt.Sprint(r.Uint64()))
		}
	}
	_, err := s.Apply(ctx, &b)
	return err
}

// TestWaitAnyTellsOfOneBatch changes and deletes several of the IDs of a wait in one batch. The
// result has the first, and its More the others, each once, also if one was given twice; whether
// the wait began before or after the batch.
func TestWaitAnyTellsOfOneBatch(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		ids := []string{idOf(4), idOf(0xa), idOf(3), strings.ToUpper(idOf(0xa)), idOf(1), idOf(2), idOf(3)}
		min := upsert(t, s, placed(1), placed(2), placed(3), placed(0xa))
		w := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: min}, ids...)
		w.blocked(t, "nothing changed")
		var b store.Batch
		b.SetClientStatus(idOf(3), "running", "")
		b.Delete(idOf(1))
		b.SetClientStatus(idOf(0xa), "running", "")
		b.Upsert(placed(9))
		index := apply(t, s, &b)
		want := store.WaitResult{
			Alloc: mustGet(t, s, 0xa), ID: idOf(0xa), Index: index, Outcome: store.Changed,
			More: []store.WaitResult{
				{Alloc: mustGet(t, s, 3), ID: idOf(3), Index: index, Outcome: store.Changed},
				{ID: idOf(1), Index: index, Outcome: store.Deleted},
			},
		}
		require.Equal(t, want, w.returned(t))
		require.Equal(t, want, wait(t.Context(), s, store.QueryOptions{MinQueryIndex: min}, ids...).returned(t))
		later := upsert(t, s, changedName(3))
		want.More = want.More[1:]
		require.Equal(t, want, wait(t.Context(), s, store.QueryOptions{MinQueryIndex: min}, ids...).returned(t), "the latest change of 3 is at %d", later)
		r := wait(t.Context(), s, store.QueryOptions{MinQueryIndex: index}, ids...).returned(t)
		require.Equal(t, []any{idOf(3), later, 0}, []any{r.ID, r.Index, len(r.More)})
		w = wait(t.Context(), s, store.QueryOptions{MinQueryIndex: later, MaxQueryTime: time.Second}, ids...)
		w.blocked(t, "nothing more changed")
		<-w.done
		require.Equal(t, store.WaitResult{Index: later, Outcome: store.TimedOut}, w.result)
	})
}

// TestWaitAnyTellsOfTheRestore restores a store. A wait for several IDs has the state of each,
// the absent ones too, as has the first wait of a reader that starts over.
func TestWaitAnyTellsOfTheRestore(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "any.db"), nil)
	upsert(t, s, placed(1))
	upsert(t, s, placed(2))
	var backup bytes.Buffer
	_, err := s.Backup(t.Context(), &backup)
	require.NoError(t, err)
	last := upsert(t, s, changedName(1), changedName(2), placed(3))
	require.NoError(t, s.Restore(t.Context(), &backup))
	ids := []string{idOf(3), idOf(2), idOf(1), idOf(2)}
	restored := s.LastIndex()
	require.Greater(t, restored, last)
	want := []store.WaitResult{
		{ID: idOf(3), Index: restored, Outcome: store.Restored},
		{Alloc: mustGet(t, s, 2), ID: idOf(2), Index: restored, Outcome: store.Restored},
		{Alloc: mustGet(t, s, 1), ID: idOf(1), Index: restored, Outcome: store.Restored},
	}
	all := want[0]
	all.More = want[1:]
	got, err := s.WaitAny(t.Context(), ids, store.QueryOptions{MinQueryIndex: last})
	require.NoError(t, err)
	require.Equal(t, all, got)

	got, err = s.WaitAny(t.Context(), ids, store.QueryOptions{})
	require.NoError(t, err)
	require.Equal(t, []any{idOf(2), restored, store.Changed}, []any{got.ID, got.Index, got.Outcome})
	require.Len(t, got.More, 1, "no index is below the restore's, so all have the same")
	require.Equal(t, []any{idOf(1), restored, store.Changed}, []any{got.More[0].ID, got.More[0].Index, got.More[0].Outcome})
}

// TestWaitAnyBesideDamage waits for allocations of one batch, two of which cannot be read. The
// result is the first of these, with the error, and the others are in its More.
func TestWaitAnyBesideDamage(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "damaged.db")
	s := openToClose(t, path, nil)
	index := upsert(t, s, placed(0), placed(1), placed(2), placed(3))
	shut(t, s)
	edit(t, path, func(tx *bbolt.Tx) error {
		log := tx.Bucket([]byte("log"))
		for n := range uint32(4) {
			at := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, index), n)
			v := bytes.Clone(log.Get(at))
			if n%2 == 1 {
				v[len(v)-1] ^= 0x10
			}
			if err := log.Put(at, v); err != nil {
				return err
			}
		}
		return nil
	})
	s, err := store.Open(path, &store.Options{DetectMutation: true, Logger: silent})
	require.NoError(t, err)
	defer s.Close()
	got, err := s.WaitAny(t.Context(), []string{idOf(0), idOf(1), idOf(2), idOf(3)}, store.QueryOptions{MinQueryIndex: 1})
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorContains(t, err, idOf(1))
	require.Equal(t, store.WaitResult{
		ID: idOf(1), Index: index, Outcome: store.Changed,
		More: []store.WaitResult{
			{Alloc: mustGet(t, s, 0), ID: idOf(0), Index: index, Outcome: store.Changed},
			{Alloc: mustGet(t, s, 2), ID: idOf(2), Index: index, Outcome: store.Changed},
			{ID: idOf(3), Index: index, Outcome: store.Changed},
		},
	}, got)

	stream, _ := backupOf(t, s) // with the damage
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream)))
	restored := s.LastIndex()
	got, err = s.WaitAny(t.Context(), []string{idOf(0), idOf(1), idOf(2), idOf(3)}, store.QueryOptions{MinQueryIndex: index})
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorContains(t, err, idOf(1))
	require.Equal(t, store.WaitResult{
		ID: idOf(1), Index: restored, Outcome: store.Restored,
		More: []store.WaitResult{
			{Alloc: mustGet(t, s, 0), ID: idOf(0), Index: restored, Outcome: store.Restored},
			{Alloc: mustGet(t, s, 2), ID: idOf(2), Index: restored, Outcome: store.Restored},
			{ID: idOf(3), Index: restored, Outcome: store.Restored},
		},
	}, got)
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
