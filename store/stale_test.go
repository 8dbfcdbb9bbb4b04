package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestPagesOutOfDate puts single pages of an earlier state of the file into a later one,
// which is what a disk leaves that has lost a write it had confirmed. Each of them is
// right in itself. The file must be refused, or show what it would without that.
func TestPagesOutOfDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	s, err := store.Open(path, &store.Options{FeedRetention: -1})
	require.NoError(t, err)
	for i := range 120 {
		upsert(t, s, placed(i))
	}
	var states [][]byte
	for i := range 80 {
		upsert(t, s, changedName(i%50), placed((i+7)%50))
		if i%25 == 0 {
			require.NoError(t, s.Sweep(t.Context()))
			states = append(states, read(t, path))
		}
	}
	want, later := mustShow(t, s), read(t, path)
	require.NoError(t, s.Close())

	size, refused, same := os.Getpagesize(), 0, 0
	for _, earlier := range states {
		for at := 2 * size; at < min(len(earlier), len(later)); at += size {
			old := earlier[at : at+size]
			if bytes.Equal(old, later[at:at+size]) {
				continue
			}
			copied := filepath.Join(t.TempDir(), "stale.db")
			require.NoError(t, os.WriteFile(copied, append(append(bytes.Clone(later[:at]), old...), later[at+size:]...), 0o600))
			s, err := store.Open(copied, nil)
			if err != nil {
				require.ErrorIs(t, err, store.ErrCorrupt)
				refused++
				continue
			}
			require.Equal(t, want, mustShow(t, s), "page %d", at/size)
			require.NoError(t, s.Close())
			same++
		}
	}
	require.Greater(t, refused, 5)
	t.Logf("%d refused, %d pages were not in use", refused, same)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}
