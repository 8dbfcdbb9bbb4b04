package store_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// changedPages returns the offsets of the pages, except the meta pages, that differ between two
// states of a file.
func changedPages(earlier, later []byte) (offsets []int) {
	size := os.Getpagesize()
	for at := 2 * size; at < min(len(earlier), len(later)); at += size {
		if !bytes.Equal(earlier[at:at+size], later[at:at+size]) {
			offsets = append(offsets, at)
		}
	}
	return offsets
}

// rewritten returns a store whose allocations were written many times, and its path. In the rounds
// where sweptAt is true it sweeps the store and copies the file.
func rewritten(t *testing.T, sweptAt func(round int) bool) (s *store.Store, path string, earlier [][]byte) {
	t.Helper()
	path = tempPath(t, "file.db")
	s = openToClose(t, path, &store.Options{FeedRetention: -1})
	for i := range 120 {
		upsert(t, s, placed(i))
	}
	for i := range 80 {
		upsert(t, s, changedName(i%50), placed((i+7)%50))
		if sweptAt(i) {
			require.NoError(t, s.Sweep(t.Context()))
			earlier = append(earlier, readFile(t, path))
		}
	}
	return s, path, earlier
}

// TestPagesOutOfDate replaces single pages of a file by their earlier state. A disk that lost a
// confirmed write leaves such a file, and each page is valid in itself. Open must refuse the
// file, or the content must be right.
func TestPagesOutOfDate(t *testing.T) {
	t.Parallel()
	s, path, states := rewritten(t, func(round int) bool { return round%25 == 0 })
	want := contentOf(t, s)
	shut(t, s)
	later := readFile(t, path)
	size, refused, same := os.Getpagesize(), 0, 0
	for _, earlier := range states {
		for _, at := range changedPages(earlier, later) {
			copied := tempPath(t, "stale.db")
			stale := bytes.Clone(later)
			copy(stale[at:at+size], earlier[at:])
			writeFile(t, copied, stale)
			s, err := store.Open(copied, detecting)
			if err != nil {
				require.ErrorIs(t, err, store.ErrCorrupt)
				refused++
				continue
			}
			require.Equal(t, want, contentOf(t, s), "page %d", at/size)
			shut(t, s)
			same++
		}
	}
	require.Greater(t, refused, 5)
	t.Logf("%d refused, %d pages were not in use", refused, same)
}

// TestPagesGoBack replaces single pages by their earlier state while the store is open. A backup
// and Compact must fail, or their result must have the right content.
func TestPagesGoBack(t *testing.T) {
	t.Parallel()
	s, path, states := rewritten(t, func(round int) bool { return round == 40 })
	earlier := states[0]
	want, later := contentOf(t, s), readFile(t, path)
	shut(t, s)
	copies := map[string]func(s *store.Store, to string) error{
		"compact": func(s *store.Store, _ string) error { return s.Compact(t.Context()) },
		"backup": func(s *store.Store, to string) error {
			var b bytes.Buffer
			if _, err := s.Backup(t.Context(), &b); err != nil {
				return err
			}
			o := openToClose(t, to, nil)
			require.NoError(t, o.Restore(t.Context(), &b))
			shut(t, o)
			return nil
		},
	}
	size, refused := os.Getpagesize(), 0
	for name, copyOf := range copies {
		for _, at := range changedPages(earlier, later) {
			path := tempPath(t, "file.db")
			writeFile(t, path, later)
			s := openToClose(t, path, &store.Options{FeedRetention: -1})
			overwrite(t, path, at, earlier[at:at+size])
			to := path
			if name == "backup" {
				to = tempPath(t, "restored.db")
			}
			err := copyOf(s, to)
			_ = s.Close() // may fail
			if err != nil {
				require.ErrorIs(t, err, store.ErrCorrupt, "%s, page %d", name, at/size)
				refused++
				continue
			}
			if s, err = store.Open(to, detecting); err == nil {
				require.Equal(t, want, contentOf(t, s), "%s, page %d", name, at/size)
				shut(t, s)
			}
		}
	}
	require.Greater(t, refused, 5)
}
