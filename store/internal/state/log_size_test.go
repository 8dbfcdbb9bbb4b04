package state

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLogSize asks for where the latest changes begin, of more batches than there may be
// checkpoints, and compares with a checkpoint of every batch.
func TestLogSize(t *testing.T) {
	t.Parallel()
	for _, changes := range []int{0, 1, 100, 100_000} {
		r := rand.New(rand.NewPCG(uint64(changes), 1))
		tl := new(LogSize)
		tl.init(changes)
		var all []checkpoint
		var w checkpoint
		floor := uint64(0)
		for i := range 100_000 {
			w.index, w.records, w.bytes = w.index+1+uint64(r.IntN(3)), w.records+1+int64(r.IntN(2)), w.bytes+100
			tl.Wrote(w.index, int(w.records-tl.mu.written.records), 100)
			all = append(all, w)
			require.Less(t, len(tl.mu.checkpoints), maxCheckpoints)
			if i%30_000 != 29_999 {
				continue
			}
			limit := w.index - uint64(r.IntN(1000))
			got, bytes := tl.RetainedFrom(changes, limit)
			require.GreaterOrEqual(t, got, floor, "a floor does not fall")
			floor = got
			var best checkpoint // as if every batch had a checkpoint
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
			require.Greater(t, got+uint64(10*tl.mu.distance), best.index, "the floor is close below the one that a checkpoint of every batch would give: two distances of records, at up to 3 indexes each, and the batches that cross them")
		}
	}
}
