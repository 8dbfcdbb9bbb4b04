package state

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

func randomIDs(r *rand.Rand, n int, sequential bool) []schema.ID {
	ids := make([]schema.ID, n)
	for i := range ids {
		if sequential {
			ids[i] = schema.ID{14: byte(i >> 8), 15: byte(i)}
			continue
		}
		for k := range ids[i] {
			ids[i][k] = byte(r.Uint32())
		}
	}
	return ids
}

// TestTableAgainstMap has readers look up IDs while the table grows. An ID that was put
// before is found, and never at an older version than before.
func TestTableAgainstMap(t *testing.T) {
	t.Parallel()
	for _, sequential := range []bool{false, true} {
		r := rand.New(rand.NewPCG(1, 2))
		ids := randomIDs(r, 40_000, sequential)
		table, oracle := new(Table), map[schema.ID]*Version{}
		table.init()
		var put atomic.Int64
		var wg sync.WaitGroup
		for g := range 2 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(3, uint64(g)))
				seen := make([]uint64, len(ids))
				for n := put.Load(); n < int64(len(ids)); n = put.Load() {
					i := r.IntN(len(ids))
					v := table.Get(&ids[i])
					if v == nil && int64(i) < n || v != nil && v.Created < seen[i] {
						t.Errorf("ID %d of %d put: %+v, seen at %d", i, n, v, seen[i])
						return
					}
					if v != nil {
						seen[i] = v.Created
					}
				}
			})
		}
		for i := range ids {
			for _, k := range []int{i, r.IntN(i + 1)} {
				v := &Version{Content: Content{Created: uint64(2*i + 1)}}
				table.put(&ids[k], v)
				oracle[ids[k]] = v
			}
			put.Store(int64(i + 1))
		}
		wg.Wait()
		for id, v := range oracle {
			require.Same(t, v, table.Get(&id))
		}
		for _, id := range randomIDs(r, 1000, false) {
			require.Equal(t, oracle[id], table.Get(&id), "an ID that was not put")
		}
	}
}
