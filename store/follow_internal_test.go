package store

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/record"
	"allocstore/watch"
)

// TestFollowAtLastIndex has a follower that has read the change at the largest index there is. It
// must block, and not look again and again.
func TestFollowAtLastIndex(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	b := new(Batch)
	b.Upsert(testAlloc(1))
	applied, err := s.ApplyAt(t.Context(), math.MaxUint64-1, b)
	require.NoError(t, err)
	q, err := Everything().query()
	require.NoError(t, err)
	f := follower{s: s, q: q, w: watch.NewWaiter()}
	f.feed = feed{c: &s.core, st: s.state.Load(), next: record.FirstAfter(applied.Index)}
	f.feed.enter()
	defer f.feed.leave()
	require.True(t, f.skip(), "the follower would read for ever")
}
