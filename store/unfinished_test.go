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

// withMetas returns the file with the meta pages of another state of the file.
func withMetas(file, metas []byte) []byte {
	n := 2 * os.Getpagesize()
	return append(bytes.Clone(metas[:n]), file[n:]...)
}

// TestUnfinishedCommitIsTakenBack cuts power in a commit after its meta page and before its other
// pages. The file is opened read-only, which fails and changes nothing, and then for writing,
// which takes the commit back.
func TestUnfinishedCommitIsTakenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "whole.db"), nil)
	for i := range 200 {
		upsert(t, s, placed(i))
	}
	want, last, before := contentOf(t, s), s.LastIndex(), readFile(t, filepath.Join(dir, "whole.db"))
	upsert(t, s, changedName(1), placed(300))
	after := readFile(t, filepath.Join(dir, "whole.db"))

	path := filepath.Join(dir, "cut.db")
	cut := withMetas(before, after)
	writeFile(t, path, cut)
	_, err := store.Open(path, &store.Options{DetectMutation: true, ReadOnly: true})
	require.ErrorIs(t, err, store.ErrReadOnly)
	require.ErrorContains(t, err, "open it for writing once")
	require.Equal(t, cut, readFile(t, path), "no byte is changed")

	var log bytes.Buffer
	s = openToClose(t, path, &store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Contains(t, log.String(), "taken back")
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, contentOf(t, s))
	upsert(t, s, placed(301))
	shut(t, s)
	s = open(t, path, &store.Options{ReadOnly: true})
	require.Equal(t, last+1, s.LastIndex())
}

// TestUnfinishedCommitDoesNotComeBack cuts power twice. The first cut leaves the pages of a commit
// without its meta page, so the commit is ignored. The second cut leaves the meta page of the next
// commit without its pages. That meta page leads to the pages of the first commit, which are
// valid in themselves. Open must not return them.
func TestUnfinishedCommitDoesNotComeBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "first.db")
	s := open(t, path, nil)
	for i := range 200 {
		upsert(t, s, placed(i))
	}
	want, last, before := contentOf(t, s), s.LastIndex(), readFile(t, path)
	upsert(t, s, changedName(1))
	once := withMetas(readFile(t, path), before)

	path = filepath.Join(dir, "second.db")
	writeFile(t, path, once)
	s = open(t, path, nil)
	require.Equal(t, last, s.LastIndex())
	opened := readFile(t, path)
	upsert(t, s, changedName(2))
	twice := withMetas(opened, readFile(t, path))

	path = filepath.Join(dir, "third.db")
	writeFile(t, path, twice)
	s = open(t, path, &store.Options{Logger: silent})
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, contentOf(t, s))
}

// TestUnfinishedCommitBesideDamage cuts power in a commit that repairs a damaged job and loses a
// page of a long record. The file has as many damaged values as before, but other ones. Open must
// take the commit back.
func TestUnfinishedCommitBesideDamage(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "a job")
	quiet := &store.Options{Logger: silent}
	s := open(t, path, quiet)
	want, last := mustGet(t, s, 1), s.LastIndex()
	long := placed(1)
	long.Job, long.Name = &schema.Job{ID: "other"}, strings.Repeat("x", 4*os.Getpagesize())
	upsert(t, s, long)
	cut := readFile(t, path)
	page := bytes.Repeat([]byte("x"), os.Getpagesize())
	at := bytes.Index(cut, page)
	require.Positive(t, at)
	clear(cut[at : at+len(page)])

	path = tempPath(t, "cut.db")
	writeFile(t, path, cut)
	s = open(t, path, quiet)
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, mustGet(t, s, 1))
	require.Equal(t, 1, s.Stats().Damaged, "the damage from before the commit")
	upsert(t, s, long)
}

// TestUnfinishedGrowth cuts power in a commit that makes the file longer. Only its meta page is on
// the disk.
func TestUnfinishedGrowth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "grows.db")
	s := open(t, path, nil)
	want, last, before := contentOf(t, s), s.LastIndex(), readFile(t, path)
	for len(readFile(t, path)) == len(before) {
		want, last, before = contentOf(t, s), s.LastIndex(), readFile(t, path)
		a := placed(int(last))
		a.DesiredDescription = strings.Repeat("x", 8000)
		upsert(t, s, a)
	}
	cut := filepath.Join(dir, "cut.db")
	writeFile(t, cut, withMetas(before, readFile(t, path)))
	s = open(t, cut, &store.Options{Logger: silent})
	require.Equal(t, last, s.LastIndex())
	require.Equal(t, want, contentOf(t, s))
}
