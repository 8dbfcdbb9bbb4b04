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
