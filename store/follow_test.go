package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestFollowWhileMembersLeave has many writers move allocations to a node and away from it. A
// follower of the node is given every arrival and every departure.
func TestFollowWhileMembersLeave(t *testing.T) {
	t.Parallel()
	const writers, rounds = 16, 100
	s := open(t, tempPath(t, "follow.db"), nil)
	after := upsert(t, s, placed(1000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			a := placed(w)
			for i := range rounds {
				for _, a.NodeID = range []string{"node", "elsewhere"} {
					a.Name = fmt.Sprint(i)
					if _, err := s.Upsert(ctx, a); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	go func() {
		writing.Wait()
		a := placed(1001) // after all others
		a.NodeID = "node"
		if _, err := s.Upsert(ctx, a); err != nil {
			t.Error(err)
		}
	}()
	arrived, left := 0, 0
	for ch, err := range s.Follow(ctx, store.Node("node"), after) {
		require.NoError(t, err)
		switch {
		case ch.Gone != nil:
			left++
		case ch.Alloc.ID == idOf(1001):
			cancel()
		default:
			arrived++
		}
		if ctx.Err() != nil {
			break
		}
	}
	require.Equal(t, writers*rounds, left)
	require.Equal(t, writers*rounds, arrived, "arrivals")
}

// TestFollowReleasesAfterPanic has the caller's loop panic while it is given the members. Compaction
// must not be kept back from then on.
func TestFollowReleasesAfterPanic(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "follow.db"), &store.Options{FeedRetention: -1})
	upsert(t, s, placed(1))
	require.Panics(t, func() {
		for range s.Follow(t.Context(), store.Everything(), 0) {
			panic("the caller's")
		}
	})
	remove(t, s, idOf(1))
	last := upsert(t, s, placed(2))
	require.NoError(t, s.Sweep(t.Context()))
	require.Equal(t, last, s.ListsFloor())
}
