package store_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestGetManyInvalidBesideZeroID has an allocation whose ID is all zeros. It is found by its ID, and
// not by a text that is no ID.
func TestGetManyInvalidBesideZeroID(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "many.db"), nil)
	zero := placed(0)
	zero.ID = schema.ID{}.String()
	upsert(t, s, zero)
	for range 2 { // then it is in memory
		sn, err := s.Snapshot()
		require.NoError(t, err)
		for _, many := range []func([]string) func(func(*schema.Allocation, error) bool){
			func(ids []string) func(func(*schema.Allocation, error) bool) { return s.GetMany(ids) },
			func(ids []string) func(func(*schema.Allocation, error) bool) { return sn.GetMany(ids) },
		} {
			n := 0
			for a, err := range many([]string{"no ID", zero.ID, ""}) {
				if n++; n == 2 {
					require.NoError(t, err)
					require.Equal(t, zero.ID, a.ID)
					continue
				}
				require.ErrorIs(t, err, store.ErrInvalidID)
				require.Nil(t, a)
			}
			require.Equal(t, 3, n)
		}
		require.NoError(t, sn.Close())
	}
}

// TestGetManyAcrossRestore restores a store while the caller has an allocation. Those that are
// looked up afterwards are the restored ones.
func TestGetManyAcrossRestore(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "many.db"), nil)
	var backup bytes.Buffer
	_, err := s.Backup(t.Context(), &backup)
	require.NoError(t, err)
	const n = 200 // more than are looked up at once
	var ids []string
	var all []*schema.Allocation
	for i := range n {
		ids, all = append(ids, idOf(i)), append(all, placed(i))
	}
	upsert(t, s, all...)
	for range s.GetMany(ids) { // which makes them resident
	}
	i := 0
	for _, err := range s.GetMany(ids) {
		if i == 0 {
			require.NoError(t, s.Restore(t.Context(), &backup))
		}
		if i++; i == n {
			require.ErrorIs(t, err, store.ErrNotFound)
		}
	}
}

// TestGetManyAcrossCatchUp has a replica catch up, past what its snapshot shows, while the caller has an allocation. The
// error ends the sequence, and is not repeated for each ID.
func TestGetManyAcrossCatchUp(t *testing.T) {
	t.Parallel()
	ahead := replicaOf(t, store.Options{FeedRetention: -1})
	applyEach(t, ahead, 2, 3, 4)
	behind, _ := backupOf(t, ahead)
	_, err := ahead.ApplyEntries(t.Context(), []store.Entry{
		entryOf(9, func(b *store.Batch) { b.Delete(idOf(3)) }), {Index: 11, Limits: store.Limits{Floor: 9}},
	})
	require.NoError(t, err)
	require.NoError(t, ahead.Compact(t.Context()))
	stream, _ := backupOf(t, ahead)
	s := replicaOf(t, store.Options{FeedRetention: -1})
	require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(behind)))
	sn, err := s.Snapshot()
	require.NoError(t, err)
	defer sn.Close()
	var errs []error
	for _, err := range sn.GetMany([]string{idOf(2), idOf(3), idOf(4), idOf(2)}) {
		if errs = append(errs, err); len(errs) == 1 {
			require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(stream)))
		}
	}
	require.Len(t, errs, 2)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], store.ErrCompacted)
}
