package store

import (
	"bytes"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
)

// TestClosedSnapshotKeepsNothing restores a store. The old content leaves the memory, though a
// closed snapshot of it is still referenced.
func TestClosedSnapshotKeepsNothing(t *testing.T) {
	t.Parallel()
	s := openTemp(t, &Options{})
	_, err := s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	var stream bytes.Buffer
	_, err = s.Backup(t.Context(), &stream)
	require.NoError(t, err)
	old := weak.Make(s.state.Load())
	sn, err := s.Snapshot()
	require.NoError(t, err)
	require.NoError(t, sn.Close())
	require.NoError(t, s.Restore(t.Context(), &stream))
	for old.Value() != nil {
		runtime.GC()
		time.Sleep(time.Millisecond)
		require.NoError(t, t.Context().Err())
	}
	_, err = sn.Get(testAlloc(1).ID)
	require.ErrorIs(t, err, ErrClosed)
}
