package histories

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestFollowLeaving has all members of a list leave it while a follower reads their arrival. The
// follower must be given both.
func TestFollowLeaving(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "f.db"), nil)
	require.NoError(t, err)
	defer s.Close()
	ctx := context.Background()
	const rounds, n = 30, 1000
	go func() {
		for range rounds {
			var b store.Batch
			for i := range n {
				b.Upsert(&schema.Allocation{ID: idOf(i), NodeID: "node", JobID: job, Job: &schema.Job{ID: job}})
			}
			_, _ = s.Apply(ctx, &b)
			b.Reset()
			for i := range n {
				b.Delete(idOf(i))
			}
			_, _ = s.Apply(ctx, &b)
		}
	}()
	count := make(map[uint64]int)
	for ch, err := range s.Follow(ctx, store.Node("node"), 1) {
		require.NoError(t, err)
		if count[ch.Index]++; ch.Index == 2*rounds+1 && count[ch.Index] == n {
			break
		}
	}
	for i := uint64(2); i < 2*rounds+2; i++ {
		if count[i] != n {
			t.Errorf("index %d: the follower was given %d of %d changes", i, count[i], n)
		}
	}
}
