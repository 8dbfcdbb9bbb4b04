package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestSweepUnderReaders sweeps and compacts without pause while allocations are written, deleted
// and placed again. Only the records that readers need stay. No Get or Wait may miss a record, a
// snapshot must not change, and a feed must have every index.
func TestSweepUnderReaders(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "sweep.db"), &store.Options{FeedRetention: -1})
	const ids, writes = 40, 400
	id := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
	ctx, done := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for w := range 4 {
		r := rand.New(rand.NewPCG(1, uint64(w)))
		writers.Go(func() {
			for i := range writes {
				var err error
				switch a := (&schema.Allocation{ID: id(w + 4*r.IntN(ids/4)), NodeID: "n", JobID: "j", Job: &schema.Job{ID: "j"}}); r.IntN(8) {
				case 0:
					_, err = s.Delete(ctx, a.ID)
				case 1, 2:
					a.Name = fmt.Sprint(w, i)
					_, err = s.Upsert(ctx, a)
				default:
					a.ClientDescription = fmt.Sprint(w, i)
					_, err = s.UpdateFromClient(ctx, a)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	each := func(read func(r *rand.Rand) error) {
		r := rand.New(rand.NewPCG(2, rand.Uint64()))
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := read(r); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	each(func(*rand.Rand) error { return s.Sweep(ctx) })
	each(func(*rand.Rand) error { return s.Compact(ctx) })
	each(func(r *rand.Rand) error {
		_, err := s.Get(id(r.IntN(ids)))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	each(func(r *rand.Rand) error {
		_, err := s.Wait(ctx, id(r.IntN(ids)), store.QueryOptions{MinQueryIndex: s.LastIndex()})
		return err
	})
	each(func(*rand.Rand) error { return sameTwice(s) })
	each(func(*rand.Rand) error { return follow(ctx, s, 100) })
	writers.Wait()
	done()
	readers.Wait()
	require.NoError(t, s.Sweep(t.Context()))
	stats := s.Stats()
	require.Equal(t, []uint64{s.LastIndex(), 0}, []uint64{stats.Floor, uint64(stats.DeadBytes)})
}

// sameTwice reads a snapshot twice and compares.
func sameTwice(s *store.Store) error {
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	var first, second []string
	for _, texts := range []*[]string{&first, &second} {
		for a, err := range sn.All() {
			if err != nil {
				return err
			}
			*texts = append(*texts, text(a))
		}
	}
	if fmt.Sprint(first) != fmt.Sprint(second) {
		return fmt.Errorf("the snapshot at %d has changed", sn.Index())
	}
	return nil
}

// follow reads the next n changes from the last index on. Each index must be the next one.
func follow(ctx context.Context, s *store.Store, n int) error {
	last := s.LastIndex()
	for ch, err := range s.Changes(ctx, last) {
		switch {
		case errors.Is(err, store.ErrCompacted):
			return nil // the floor rose above last before the feed was registered
		case err != nil:
			return err
		case ch.Index != last+1:
			return fmt.Errorf("a change at %d after %d", ch.Index, last)
		}
		last = ch.Index
		if n--; n == 0 {
			return nil
		}
	}
	return nil
}

// TestPassesBehindALaggingReader keeps snapshots a constant number of updates behind. Dead records
// that the snapshots need outweigh the live ones. The sweeper must not try to remove them again
// and again.
func TestPassesBehindALaggingReader(t *testing.T) {
	t.Parallel()
	const ids, lag, updates = 250, 700, 1500
	s := open(t, tempPath(t, "lag.db"), &store.Options{FeedRetention: -1})
	for n := range ids {
		a := placed(n)
		a.Name = strings.Repeat("x", 8000)
		upsert(t, s, a)
	}
	var behind []*store.Snapshot
	var before uint64
	for i := range lag + updates {
		if i == lag {
			before = s.Stats().Passes
		}
		updateClient(t, s, &schema.Allocation{ID: idOf(i % ids), ClientDescription: fmt.Sprint(i, strings.Repeat("y", 8000))})
		sn, err := s.Snapshot()
		require.NoError(t, err)
		if behind = append(behind, sn); len(behind) > lag {
			require.NoError(t, behind[0].Close())
			behind = behind[1:]
		}
	}
	st := s.Stats()
	require.Less(t, st.DeadBytes, 4*st.LiveBytes)
	require.Less(t, st.Passes-before, uint64(10), "each pass removes more than it leaves")
	for _, sn := range behind {
		require.NoError(t, sn.Close())
	}
}
