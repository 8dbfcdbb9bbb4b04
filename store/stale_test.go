package store_test

import (
	"bytes"
	"errors"
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
	s, err := store.Open(path, &store.Options{DetectMutation: true, FeedRetention: -1})
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
	want := mustShow(t, s)
	shut(t, s)
	later := read(t, path)

	size, refused, same := os.Getpagesize(), 0, 0
	for _, earlier := range states {
		for at := 2 * size; at < min(len(earlier), len(later)); at += size {
			old := earlier[at : at+size]
			if bytes.Equal(old, later[at:at+size]) {
				continue
			}
			copied := filepath.Join(t.TempDir(), "stale.db")
			require.NoError(t, os.WriteFile(copied, append(append(bytes.Clone(later[:at]), old...), later[at+size:]...), 0o600))
			s, err := store.Open(copied, noticing)
			if err != nil {
				require.ErrorIs(t, err, store.ErrCorrupt)
				refused++
				continue
			}
			require.Equal(t, want, mustShow(t, s), "page %d", at/size)
			shut(t, s)
			same++
		}
	}
	require.Greater(t, refused, 5)
	t.Logf("%d refused, %d pages were not in use", refused, same)
}

// TestPagesGoBack has pages become what they were before while the store is open, for all
// readers: a backup and a new file are made of what was written, or not at all.
func TestPagesGoBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	s, err := store.Open(path, &store.Options{DetectMutation: true, FeedRetention: -1})
	require.NoError(t, err)
	for i := range 120 {
		upsert(t, s, placed(i))
	}
	var earlier []byte
	for i := range 80 {
		upsert(t, s, changedName(i%50), placed((i+7)%50))
		if i == 40 {
			require.NoError(t, s.Sweep(t.Context()))
			earlier = read(t, path)
		}
	}
	want, later := mustShow(t, s), read(t, path)
	shut(t, s)

	copies := map[string]func(s *store.Store, to string) error{
		"compact": func(s *store.Store, _ string) error { return s.Compact(t.Context()) },
		"backup": func(s *store.Store, to string) error {
			var b bytes.Buffer
			if _, err := s.Backup(t.Context(), &b); err != nil {
				return err
			}
			o, err := store.Open(to, noticing)
			require.NoError(t, err)
			require.NoError(t, o.Restore(t.Context(), &b))
			shut(t, o)
			return nil
		},
	}
	size, refused := os.Getpagesize(), 0
	for name, copyOf := range copies {
		for at := 2 * size; at < min(len(earlier), len(later)); at += size {
			old := earlier[at : at+size]
			if bytes.Equal(old, later[at:at+size]) {
				continue
			}
			path := filepath.Join(t.TempDir(), "file.db")
			require.NoError(t, os.WriteFile(path, later, 0o600))
			s, err := store.Open(path, &store.Options{DetectMutation: true, FeedRetention: -1})
			require.NoError(t, err)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(old, int64(at))
			require.NoError(t, errors.Join(err, f.Close()))
			to := path
			if name == "backup" {
				to = filepath.Join(t.TempDir(), "restored.db")
			}
			err = copyOf(s, to)
			_ = s.Close() // of such a file it may fail
			if err != nil {
				require.ErrorIs(t, err, store.ErrCorrupt, "%s, page %d", name, at/size)
				refused++
				continue
			}
			if s, err = store.Open(to, noticing); err == nil {
				require.Equal(t, want, mustShow(t, s), "%s, page %d", name, at/size)
				shut(t, s)
			}
		}
	}
	require.Greater(t, refused, 5)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}
