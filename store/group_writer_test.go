package store

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestGroupIsBounded queues small events on allocations with large client parts. An event is
// written with the client's part, so the batches do not fit one transaction. They keep the
// order of arrival.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	const writers, each = 96, 900 << 10
	s := openTemp(t, &Options{DetectMutation: true})
	for i := range byte(writers) {
		a := testAlloc(i)
		upsert(t, s, a)
		a.ClientDescription = strings.Repeat("x", each)
		_, err := s.UpdateFromClient(t.Context(), a)
		require.NoError(t, err)
	}
	busy, hold := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.committer.barrier(func() error { close(busy); <-hold; return nil })
	}()
	<-busy
	before, indexes := s.counts.commits.Load(), make([]uint64, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			ev := schema.TaskEvent{Type: schema.TaskStarted, Time: 1}
			applied, err := s.AppendTaskEvent(context.Background(), testAlloc(byte(i)).ID, "web", "running", ev)
			if err != nil {
				t.Error(err)
			}
			indexes[i] = applied.Index
		})
		for s.queued() <= i { // the next write queues behind this one
			runtime.Gosched()
		}
	}
	close(hold)
	wg.Wait()
	require.GreaterOrEqual(t, int(s.counts.commits.Load()-before), writers*each/(maxGroupBytes+each))
	require.IsIncreasing(t, indexes)
}
