package store_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestResidentBytes reads many more allocations than may be resident, while allocations are
// updated, deleted and placed again. Stats.ResidentBytes stays within the bound, reads return
// the right allocation, and in the end Stats.ResidentBytes is exact.
func TestResidentBytes(t *testing.T) {
	t.Parallel()
	const n, reads = 4000, 10_000
	const limit = 400 << 10 / (64 / bits.UintSize) // structs of a 32-bit platform are half as large
	s := open(t, tempPath(t, "resident.db"), &store.Options{ResidentBytes: limit})
	var b store.Batch
	for i := range n {
		b.Upsert(placed(i))
	}
	apply(t, s, &b)
	var wg sync.WaitGroup
	var peak atomic.Int64
	var above sync.Once
	for g := range 4 {
		r := rand.New(rand.NewPCG(uint64(g), 0))
		wg.Go(func() {
			for range reads {
				i := r.IntN(n)
				a, err := s.Get(idOf(i))
				if err == nil && a.ID != idOf(i) {
					err = fmt.Errorf("asked for %s", idOf(i))
				}
				if err != nil && i%8 != 0 { // the others may be deleted
					t.Error(err)
					return
				}
				if got := s.Stats().ResidentBytes; got > limit*11/10 || got < 0 {
					above.Do(func() { t.Errorf("%d bytes are resident, the bound is %d", got, limit) })
				} else if got > peak.Load() {
					peak.Store(got)
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
	require.Equal(t, s.ResidentBytes(), stats.ResidentBytes, "Stats.ResidentBytes")
	require.Greater(t, peak.Load(), int64(limit*9/10), "the store uses the bound")
	require.InDelta(t, 4*reads, stats.Hits+stats.Misses, 4*reads/5, "each read is a hit or a miss; Hits is an estimate")
	require.Greater(t, stats.Misses, stats.Hits, "most reads miss: most allocations cannot be resident")
}
