package store_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// BenchmarkFollow measures how many records of the log a follower passes from its beginning to its
// end, for a list of few members and one of all. The log has placements on 100 nodes, five reports of
// each allocation, and then the end of most: some are stopped, some move, some are deleted.
func BenchmarkFollow(b *testing.B) {
	const n, nodes, batchLen = 20_000, 100, 1000
	s, err := store.Open(tempPath(b, "follow.db"), &store.Options{FeedRetention: math.MaxInt})
	require.NoError(b, err)
	defer shut(b, s)
	records := 0
	phase := func(of func(batch *store.Batch, i int)) {
		for from := 0; from < n; from += batchLen {
			var batch store.Batch
			for i := from; i < from+batchLen; i++ {
				of(&batch, i)
			}
			records += batch.Len()
			_, err := s.Apply(b.Context(), &batch)
			require.NoError(b, err)
		}
	}
	at := func(i int) *schema.Allocation {
		a := placed(i)
		a.NodeID = fmt.Sprint("node", i%nodes)
		return a
	}
	first, err := s.Upsert(b.Context(), placed(n))
	require.NoError(b, err)
	phase(func(batch *store.Batch, i int) { batch.Upsert(at(i)) })
	for round := range 5 {
		phase(func(batch *store.Batch, i int) {
			a := at(i)
			a.ClientStatus, a.ClientDescription = "running", fmt.Sprint("round ", round)
			batch.UpdateFromClient(a)
		})
	}
	phase(func(batch *store.Batch, i int) {
		switch a := at(i); i / nodes % 4 {
		case 0:
			batch.SetDesiredStatus(a.ID, "stop", "")
		case 1:
			a.NodeID += "-other"
			batch.Upsert(a)
		case 2:
			batch.Delete(a.ID)
		}
	})
	var end []store.Selector
	for _, sel := range []store.Selector{store.Node("node7"), store.Node("node7").NonTerminal().Placements(), store.Everything(), store.Everything().NonTerminal().Placements()} {
		last := placed(n + 1 + len(end)) // the change that ends the stream
		last.NodeID = "node7"
		_, err := s.Upsert(b.Context(), last)
		require.NoError(b, err)
		end = append(end, sel)
	}
	for _, sel := range end {
		b.Run(fmt.Sprintf("list=%v", sel), func(b *testing.B) {
			b.ReportAllocs()
			changes := 0
			for b.Loop() {
				for ch, err := range s.Follow(b.Context(), sel, first.Index) {
					require.NoError(b, err)
					changes++
					if ch.Index == s.LastIndex() {
						break
					}
				}
			}
			b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(changes)/float64(b.N), "changes")
		})
	}
}
