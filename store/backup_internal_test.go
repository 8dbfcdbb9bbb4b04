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
	b := backup{w: &stream}
	end, err := b.begin(t.Context(), s)
	require.NoError(t, err)
	defer end()
	s.state.Load().Floor.Store(7)
	require.NoError(t, b.run(t.Context()))
	s.state.Load().Floor.Store(0)
	require.NoError(t, s.Restore(t.Context(), &stream))
}
