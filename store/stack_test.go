//go:build !race

package store

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBlockedReaderFitsItsFirstStack checks the claim of wait's comment: a blocked reader needs
// no more stack than a goroutine begins with.
func TestBlockedReaderFitsItsFirstStack(t *testing.T) {
	const readers = 2000
	s := openTemp(t, nil)
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
	require.Less(t, each, uint64(2<<10+1<<8), "bytes of stack of a blocked reader")
}
