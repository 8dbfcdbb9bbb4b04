package store_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// withMetas returns the file with the meta pages of another state of it.
func withMetas(file, metas []byte) []byte {
	n := 2 * os.Getpagesize()
	return append(bytes.Clone(metas[:n]), file[n:]...)
}

// TestUnfinishedCommitIsTakenBack cuts power in a commit whose meta page was written and
// whose pages were not, and what is left is opened: only for reading, which changes
// nothing, and for writing.
func TestUnfinishedCommitIsTakenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "whole.db"), nil)
	for i := range 200 {
		upsert(t, s, placed(i))
	}
	want, last, before := mustShow(t, s), s.LastIndex(), read(t, filepath.Join(dir, "whole.db"))
	upsert(t, s, changedName(1), placed(300))
	after := read(t, filepath.Join(dir, "whole.db"))

	path := filepath.Join(dir, "cut.db")
	cut := withMetas(before, after)
	require.NoError(t, os.WriteFile(path, cut, 0o600))
	_, err := store.Open(path, &store.Options{DetectMutation: true, ReadOnly: true})
	require.ErrorIs(t, err, store.ErrReadOnly)
	require.ErrorContains(t, err, "open it for writing once")
	require.Equal(t, cut, read(t, path), "no byte is changed")

	var log bytes.Buffer
	s, err = store.Open(path, &store.Options{DetectMutation: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	require.Contains(t, log.String(), "taken back")
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, mustShow(t, s))
	upsert(t, s, placed(301))
	shut(t, s)
	s = open(t, path, &store.Options{ReadOnly: true})
	require.Equal(t, last+1, s.LastIndex())
}

// TestUnfinishedCommitDoesNotComeBack cuts power twice. The first time the pages of a
// commit were written and its meta page was not. It was as if it had never been, until the
// second time: now the meta page of the next commit is there and its pages are not, so
// that it leads to those of the first one, which are right in themselves.
func TestUnfinishedCommitDoesNotComeBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "first.db")
	s := open(t, path, nil)
	for i := range 200 {
		upsert(t, s, placed(i))
	}
	want, last, before := mustShow(t, s), s.LastIndex(), read(t, path)
	upsert(t, s, changedName(1))
	once := withMetas(read(t, path), before)

	path = filepath.Join(dir, "second.db")
	require.NoError(t, os.WriteFile(path, once, 0o600))
	s = open(t, path, nil)
	require.Equal(t, last, s.LastIndex())
	opened := read(t, path)
	upsert(t, s, changedName(2))
	twice := withMetas(opened, read(t, path))

	path = filepath.Join(dir, "third.db")
	require.NoError(t, os.WriteFile(path, twice, 0o600))
	s = open(t, path, &store.Options{Logger: slog.New(slog.DiscardHandler)})
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, mustShow(t, s))
}

// TestUnfinishedCommitBesideDamage cuts power in a commit that writes a damaged job anew,
// and loses a page of a long record: as much is damaged as was before, and something else.
func TestUnfinishedCommitBesideDamage(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "a job")
	quiet := &store.Options{Logger: slog.New(slog.DiscardHandler)}
	s := open(t, path, quiet)
	want, last := mustGet(t, s, 1), s.LastIndex()
	long := placed(1)
	long.Job, long.Name = &schema.Job{ID: "other"}, strings.Repeat("x", 4*os.Getpagesize())
	upsert(t, s, long)
	cut := read(t, path)
	page := bytes.Repeat([]byte("x"), os.Getpagesize())
	at := bytes.Index(cut, page)
	require.Positive(t, at)
	clear(cut[at : at+len(page)])

	path = filepath.Join(t.TempDir(), "cut.db")
	require.NoError(t, os.WriteFile(path, cut, 0o600))
	s = open(t, path, quiet)
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, mustGet(t, s, 1))
	require.Equal(t, 1, s.Stats().Damaged, "what was before")
	upsert(t, s, long)
}

func mustGet(t *testing.T, s *store.Store, n int) *schema.Allocation {
	t.Helper()
	a, err := s.Get(idOf(n))
	require.NoError(t, err)
	return a
}

// TestUnfinishedGrowth cuts power in a commit that makes the file longer, of which only
// the meta page is left.
func TestUnfinishedGrowth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "grows.db")
	s := open(t, path, nil)
	want, last, before := mustShow(t, s), s.LastIndex(), read(t, path)
	for len(read(t, path)) == len(before) {
		want, last, before = mustShow(t, s), s.LastIndex(), read(t, path)
		a := placed(int(last))
		a.DesiredDescription = strings.Repeat("x", 8000)
		upsert(t, s, a)
	}
	cut := filepath.Join(dir, "cut.db")
	require.NoError(t, os.WriteFile(cut, withMetas(before, read(t, path)), 0o600))
	s = open(t, cut, &store.Options{Logger: slog.New(slog.DiscardHandler)})
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, mustShow(t, s))
}
