package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// TestWindowBesideWrites commits a version after the window has read the log. The window does
// not know which version the allocation had at the floor, so the allocation's records stay, and
// the next search finds the dead one.
func TestWindowBesideWrites(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	a := testAlloc(1)
	report := func(status string) {
		_, err := s.UpdateFromClient(t.Context(), &schema.Allocation{ID: a.ID, ClientStatus: status})
		require.NoError(t, err)
	}
	_, err := s.Upsert(t.Context(), a) // 2
	require.NoError(t, err)
	report("pending") // 3: the client's part of 2 is dead, its scheduler's is not
	report("running") // 4: 3 is dead
	st := s.state.Load()
	w := newWindow(st, st.Index.Last())
	_, err = w.follow()
	require.NoError(t, err)
	report("complete") // 5
	require.NoError(t, st.File.View(func(tx logfile.Tx) error {
		for e, err := range tx.Records(record.Key{}) {
			require.NoError(t, err)
			needed, _ := w.needs(&e)
			require.True(t, needed || e.Key.Index == 5, "record %v", e.Key)
		}
		return nil
	}))
	found, err := w.find(record.Key{})
	require.NoError(t, err)
	require.Len(t, found.dead, 1)
	require.Equal(t, record.Key{Index: 3}, found.dead[0].key)
}
