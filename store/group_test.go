package store

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestGroupIsBounded queues small events on allocations whose clients have said a lot: what
// they are written with does not go in one transaction. The order of arrival stays.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	const writers, each = 96, 900 << 10
	s, err := Open(filepath.Join(t.TempDir(), "group.db"), &Options{DetectMutation: true})
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	for i := range byte(writers) {
		a := testAlloc(i)
		_, err := s.Upsert(t.Context(), a)
		require.NoError(t, err)
		a.ClientDescription = strings.Repeat("x", each)
		_, err = s.UpdateFromClient(t.Context(), a)
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
			applied, err := s.AppendTaskEvent(context.Background(), testAlloc(byte(i)).ID, "web", "running", schema.TaskEvent{Type: schema.TaskStarted, Time: 1})
			if err != nil {
				t.Error(err)
			}
			indexes[i] = applied.Index
		})
		for queued := 0; queued <= i; runtime.Gosched() { // it is behind the one before
			s.committer.queue.Lock()
			queued = len(s.committer.queue.waiting)
			s.committer.queue.Unlock()
		}
	}
	close(hold)
	wg.Wait()
	require.GreaterOrEqual(t, int(s.counts.commits.Load()-before), writers*each/(maxGroupBytes+each))
	require.IsIncreasing(t, indexes)
}
