package store

import (
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestWaitBetweenTwoBatches wakes a waiter for one batch when the table has the version of the
// next batch already, whose index is not published. The waiter must wait on, and return at the
// next notification.
func TestWaitBetweenTwoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(filepath.Join(t.TempDir(), "woken.db"), nil)
		require.NoError(t, err)
		a, err := s.Upsert(t.Context(), testAlloc(1))
		require.NoError(t, err)
		result := make(chan WaitResult, 1)
		go func() {
			r, err := s.Wait(t.Context(), testAlloc(1).ID, QueryOptions{MinQueryIndex: a.Index})
			if err != nil {
				t.Error(err)
			}
			result <- r
		}()
		synctest.Wait()
		g, first, second := newGroupWriter(&s.core), new(Batch), new(Batch)
		first.UpdateFromClient(&schema.Allocation{ID: testAlloc(1).ID, ClientStatus: "running"})
		second.UpdateFromClient(&schema.Allocation{ID: testAlloc(1).ID, ClientStatus: "complete"})
		_, err = g.commit([]*request{{batch: first}, {batch: second}}, nil, nil)
		require.NoError(t, err)
		one, two := g.plan.Changes()[:1], g.plan.Changes()[1:]
		g.publishVersions(one)
		g.publishVersions(two)
		g.publishIndex(one) // wakes the waiter
		synctest.Wait()
		require.Equal(t, 1, s.watch.Len(), "the waiter waits on")
		g.publishIndex(two)
		r := <-result
		require.Equal(t, []any{Changed, a.Index + 2}, []any{r.Outcome, r.Index})
		shut(t, s)
	})
}
