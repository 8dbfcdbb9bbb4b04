package lists

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

func TestIDSetAgainstSortedSlice(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, sequential := range []bool{false, true} {
		ids := randomIDs(r, 3000, sequential)
		var set idset
		in := map[schema.ID]bool{}
		for step := range 20_000 {
			id := ids[r.IntN(len(ids))]
			if sequential && step < len(ids) {
				id = ids[step]
			}
			if in[id] = r.IntN(3) > 0; in[id] {
				set.add(id)
			} else {
				set.remove(id)
				delete(in, id)
			}
			if step%500 == 0 {
				compareSet(t, &set, in, ids[r.IntN(len(ids))], ids[r.IntN(len(ids))])
			}
		}
		for _, id := range ids {
			set.remove(id)
		}
		require.True(t, set.empty(), "the set is empty")
	}
}

func compareSet(t *testing.T, set *idset, in map[schema.ID]bool, low, high schema.ID) {
	t.Helper()
	var want []schema.ID
	for id := range in {
		if low.Compare(id) <= 0 && id.Compare(high) <= 0 {
			want = append(want, id)
		}
	}
	slices.SortFunc(want, schema.ID.Compare)
	require.Equal(t, want, append([]schema.ID(nil), set.page(make([]schema.ID, 0, len(in)), Range{low, high})...))
	if len(want) > 7 {
		require.Equal(t, want[:7], set.page(make([]schema.ID, 0, 7), Range{low, high}), "a page is as long as it may be")
	}
	for _, chunk := range set.chunks {
		require.NotEmpty(t, chunk.ids, "Invariant: no chunk is empty")
		require.Equal(t, chunk.ids[0], chunk.first, "Invariant: first is the lowest ID")
		require.Equal(t, chunk.ids[len(chunk.ids)-1], chunk.last, "Invariant: last is the highest ID")
		require.LessOrEqual(t, len(chunk.ids), maxChunk, "Invariant: no chunk is longer")
	}
}
