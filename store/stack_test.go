//go:build !race

package store

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBlockedReaderFitsItsFirstStack checks the claim of wait's comment.
func TestBlockedReaderFitsItsFirstStack(t *testing.T) {
	const readers = 2000
	s, err := Open(filepath.Join(t.TempDir(), "stack.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	a, err := s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	stacks := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.StackInuse
	}
	id, opts := testAlloc(1).ID, QueryOptions{MinQueryIndex: a.Index}
	ctx, cancel := context.WithCancel(t.Context())
	before := stacks()
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() { _, _ = s.Wait(ctx, id, opts) })
	}
	for s.Stats().Waiters < readers {
		time.Sleep(time.Millisecond)
	}
	each := (stacks() - before) / readers
	cancel()
	wg.Wait()
	t.Log(each)
	require.Less(t, each, uint64(2<<10+1<<8), "bytes of stack of a blocked reader")
}
