package store

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBackupHasTheFloorOfItsIndex raises the floor between a backup's snapshot and its end. The
// backup must have the floor of its snapshot, or Restore would refuse a floor above the index.
func TestBackupHasTheFloorOfItsIndex(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	upsert(t, s, testAlloc(1))
	var stream bytes.Buffer
	b, err := s.PrepareBackup()
	require.NoError(t, err)
	defer b.Close()
	s.state.Load().Floor.Store(7)
	_, err = b.Write(t.Context(), &stream)
	require.NoError(t, err)
	s.state.Load().Floor.Store(0)
	require.NoError(t, s.Restore(t.Context(), &stream))
}
