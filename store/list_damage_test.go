package store_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store"
)

// TestFollowDeletionOfQuarantined deletes a quarantined allocation, which cures the store. A follower
// goes on, and is told: also one of another node's list, if it is unknown where the allocation was.
func TestFollowDeletionOfQuarantined(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		damage string
		n      int
		node   string
	}{
		{"the client's part", 2, "node2"},
		{"the scheduler's part", 1, "node1"},
		{"the scheduler's part", 1, "node3"},
	} {
		path, _ := damagedStore(t, c.damage)
		s := open(t, path, &store.Options{Logger: silent, FeedRetention: -1})
		after := s.LastIndex()
		at := remove(t, s, idOf(c.n))
		ctx, cancel := context.WithCancel(t.Context())
		for ch, err := range s.Follow(ctx, store.Node(c.node), after) {
			require.NoError(t, err, "%+v", c)
			require.Equal(t, &store.Departure{ID: idOf(c.n), Index: at, Reason: store.Removed}, ch.Gone)
			break
		}
		cancel()
		require.NoError(t, s.Compact(t.Context()))
	}
}

// TestQuarantinedHasNotMoved damages the scheduler's part of an update: where the allocation is placed
// is unknown. No reader of its list is told that it has moved.
func TestQuarantinedHasNotMoved(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "damaged.db")
	s := openToClose(t, path, nil)
	before := upsert(t, s, placed(1))
	at := upsert(t, s, changedName(1))
	shut(t, s)
	edit(t, path, func(tx *bbolt.Tx) error {
		log := tx.Bucket([]byte("log"))
		return log.ForEach(func(k, v []byte) error {
			if !recordAt(at, 0)(k, v) {
				return nil
			}
			v = bytes.Clone(v)
			v[len(v)-1] ^= 0x10
			return log.Put(bytes.Clone(k), v)
		})
	})
	s = openToClose(t, path, &store.Options{Logger: silent})
	r, err := s.WaitList(t.Context(), store.Node("node1"), store.QueryOptions{MinQueryIndex: before})
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.Equal(t, store.ListResult{Index: at, Outcome: store.Changed}, r)
	requireFollowEnds(t, s, before)
	require.NoError(t, s.Close())

	s = openToClose(t, path, &store.Options{Logger: silent})
	remove(t, s, idOf(1)) // it is known now that the allocation is in no list, but not that it was not
	requireFollowEnds(t, s, before)
	require.NoError(t, s.Close())
}

// requireFollowEnds requires that streams which begin before the damaged change of the first
// allocation end at it, in every list that may have got it or lost it, and that others pass it.
func requireFollowEnds(t *testing.T, s *store.Store, before uint64) {
	t.Helper()
	for _, sel := range []store.Selector{
		store.Node("node1"), store.Node("elsewhere"), store.Job("job").NonTerminal(), store.Everything(), store.Prefix(idOf(1)).NonTerminal().Placements(),
	} {
		for ch, err := range s.Follow(t.Context(), sel, before) {
			require.ErrorIs(t, err, store.ErrCorrupt, "%v", sel)
			require.Zero(t, ch, "%v", sel)
		}
	}
	upsert(t, s, placed(2))
	for ch, err := range s.Follow(t.Context(), store.Prefix(idOf(2)), before) {
		require.NoError(t, err)
		require.Equal(t, mustGet(t, s, 2), ch.Alloc)
		break
	}
}
