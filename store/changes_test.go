package store

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/record"
)

// TestFeedBlocksAtTheLargestIndex reads a feed up to the largest index there can be. The feed
// must block there and not spin.
func TestFeedBlocksAtTheLargestIndex(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	var b Batch
	b.Upsert(testAlloc(1))
	_, err := s.ApplyAt(t.Context(), math.MaxUint64-1, &b)
	require.NoError(t, err)
	for _, after := range []uint64{math.MaxUint64 - 1, math.MaxUint64} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		f := feed{c: &s.core, st: s.state.Load(), next: record.FirstAfter(after)}
		at := f.enter()
		require.ErrorIs(t, f.wait(ctx, at), context.DeadlineExceeded)
		s.leave(at)
		cancel()
	}
}
