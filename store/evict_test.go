package store_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestResidentBytes reads at random, many times what may be resident, while
// allocations are updated, deleted and placed again. The bound holds at any time,
// what is read is right, and in the end the account is.
func TestResidentBytes(t *testing.T) {
	t.Parallel()
	const n, reads, limit = 4000, 10_000, 400 << 10
	s := open(t, filepath.Join(t.TempDir(), "resident.db"), &store.Options{ResidentBytes: limit})
	var b store.Batch
	for i := range n {
		b.Upsert(placed(i))
	}
	_, err := s.Apply(t.Context(), &b)
	require.NoError(t, err)
	var wg sync.WaitGroup
	var most atomic.Int64
	var over sync.Once
	for g := range 4 {
		r := rand.New(rand.NewPCG(uint64(g), 0))
		wg.Go(func() {
			for range reads {
				i := r.IntN(n)
				a, err := s.Get(idOf(i))
				if err == nil && a.ID != idOf(i) {
					err = fmt.Errorf("asked for %s", idOf(i))
				}
				if err != nil && i%8 != 0 { // those may be deleted
					t.Error(err)
					return
				}
				if got := s.Stats().ResidentBytes; got > limit*11/10 || got < 0 {
					over.Do(func() { t.Errorf("%d bytes are resident, the bound is %d", got, limit) })
				} else if got > most.Load() {
					most.Store(got)
				}
			}
		})
	}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(9, 0))
		for range reads / 50 {
			i := r.IntN(n)
			var err error
			switch i % 8 {
			case 0:
				if _, err = s.Delete(t.Context(), idOf(i)); err == nil {
					_, err = s.Upsert(t.Context(), placed(i))
				}
			case 1:
				a := placed(i)
				a.Name = fmt.Sprint(r.Uint64())
				_, err = s.Upsert(t.Context(), a)
			default:
				_, err = s.UpdateFromClient(t.Context(), &schema.Allocation{ID: idOf(i), ClientDescription: fmt.Sprint(r.Uint64())})
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	stats := s.Stats()
	require.Equal(t, s.ResidentBytes(), stats.ResidentBytes, "the account is that of what is there")
	require.Greater(t, most.Load(), int64(limit*9/10), "the bound is made use of")
	require.InDelta(t, 4*reads, stats.Hits+stats.Misses, 4*reads/5, "each read is a hit, of which some are counted, or a miss")
	require.Greater(t, stats.Misses, stats.Hits, "most of it cannot be resident")
}
