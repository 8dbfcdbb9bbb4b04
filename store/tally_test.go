package store

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTally asks for where the latest changes begin, of more batches than there may be marks,
// and compares with all of them.
func TestTally(t *testing.T) {
	t.Parallel()
	for _, changes := range []int{0, 1, 100, 100_000} {
		r := rand.New(rand.NewPCG(uint64(changes), 1))
		tl := newTally(changes)
		var all []mark
		var w mark
		floor := uint64(0)
		for i := range 100_000 {
			w.index, w.records, w.bytes = w.index+1+uint64(r.IntN(3)), w.records+1+int64(r.IntN(2)), w.bytes+100
			tl.wrote(w.index, int(w.records-tl.mu.written.records), 100)
			all = append(all, w)
			require.Less(t, len(tl.mu.marks), mostMarks)
			if i%30_000 != 29_999 {
				continue
			}
			limit := w.index - uint64(r.IntN(1000))
			got, bytes := tl.before(changes, limit)
			require.GreaterOrEqual(t, got, floor, "a floor does not fall")
			floor = got
			var best mark // what it would be if every batch had a mark
			for _, m := range all {
				if w.records-m.records >= int64(changes) && m.index <= limit {
					best = m
				}
				if m.index == got {
					require.Equal(t, w.bytes-m.bytes, bytes)
					require.GreaterOrEqual(t, w.records-m.records, int64(changes))
				}
			}
			require.LessOrEqual(t, got, best.index)
			require.Greater(t, got+uint64(10*tl.mu.every), best.index, "a floor is close below what every batch's own mark would give: two marks of records, at up to 3 indexes each, and the batches that cross them")
		}
	}
}
