package store_test

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the files under testdata")

// formatFile is the path of a compressed store in a released format.
const formatFile = "../testdata/format-%d.db.gz"

// latestFormat is the format that this package writes.
const latestFormat = 2

// fill writes the documented allocation with eleven events, a successor to it, and a deletion.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	text, err := os.ReadFile("../testdata/allocation.json")
	require.NoError(t, err)
	a, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	upsert(t, s, a)
	for i := range 10 {
		ev := schema.TaskEvent{Type: schema.TaskTerminated, Time: int64(i), ExitCode: i, Details: map[string]string{"n": "x"}}
		_, err := s.AppendTaskEvent(t.Context(), a.ID, "redis", "dead", ev)
		require.NoError(t, err)
	}
	next := placed(1)
	next.PreviousAllocation = a.ID
	upsert(t, s, next, placed(2))
	remove(t, s, idOf(2))
}

// TestLeaveFile writes a file for bbolt's own tools to check, to the path in the environment
// variable ALLOCSTORE_LEAVE_FILE.
func TestLeaveFile(t *testing.T) {
	path := os.Getenv("ALLOCSTORE_LEAVE_FILE")
	if path == "" {
		path = tempPath(t, "left.db")
	}
	s := openToClose(t, path, nil)
	fill(t, s)
	for i := range 3000 {
		upsert(t, s, placed(i))
	}
	var b store.Batch
	for i := 0; i < 3000; i += 3 {
		b.Delete(idOf(i))
	}
	apply(t, s, &b)
	shut(t, s)
}

// TestReleasedFormats reads files that were written when the formats were released. With -rewrite
// it first writes the latest format's file: use that only before a release.
func TestReleasedFormats(t *testing.T) {
	if *rewrite {
		path := tempPath(t, "format.db")
		s := openToClose(t, path, nil)
		fill(t, s)
		shut(t, s)
		pack(t, path)
	}
	for format := 1; format <= latestFormat; format++ {
		t.Run(fmt.Sprint(format), func(t *testing.T) { testFormat(t, format) })
	}
}

// testFormat opens the file of a format, read-only and then for writing, which upgrades it.
func testFormat(t *testing.T, format int) {
	path := tempPath(t, "format.db")
	unpack(t, path, format)
	readOnly := openToClose(t, path, &store.Options{ReadOnly: true})
	content := contentOf(t, readOnly)
	shut(t, readOnly)
	fresh := open(t, tempPath(t, "fresh.db"), nil)
	fill(t, fresh)
	old := open(t, path, nil)
	require.Equal(t, fresh.LastIndex(), old.LastIndex())
	require.Equal(t, old.LastIndex(), old.AppliedIndex(), "a file without a note")
	var want, got []string
	for a, err := range fresh.All() {
		require.NoError(t, err)
		want = append(want, text(a))
	}
	for a, err := range old.All() {
		require.NoError(t, err)
		got = append(got, text(a))
	}
	require.Equal(t, want, got, "the released format has the same content as the latest")
	require.Contains(t, got[0]+got[1], `"EventsDropped":1`)
	require.Equal(t, content, contentOf(t, old))
	upsert(t, old, placed(77))
}

// pack compresses the file at path into formatFile. Most of the file is preallocated.
func pack(t *testing.T, path string) {
	t.Helper()
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	out, err := os.Create(fmt.Sprintf(formatFile, latestFormat))
	require.NoError(t, err)
	w := gzip.NewWriter(out)
	_, err = w.Write(file)
	require.NoError(t, errors.Join(err, w.Close(), out.Close()))
}

func unpack(t *testing.T, path string, format int) {
	t.Helper()
	in, err := os.Open(fmt.Sprintf(formatFile, format))
	require.NoError(t, err)
	r, err := gzip.NewReader(in)
	require.NoError(t, err)
	file, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, in.Close()))
	writeFile(t, path, file)
}

// TestLargestFile opens a file of 3 GiB, most of which is a hole. A 32-bit platform refuses it, and
// says why.
func TestLargestFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "large.db")
	s := openToClose(t, path, nil)
	upsert(t, s, placed(1))
	shut(t, s)
	require.NoError(t, os.Truncate(path, 3<<30))
	s, err := store.Open(path, detecting)
	if strconv.IntSize == 32 {
		require.ErrorIs(t, err, syscall.EFBIG)
		require.ErrorContains(t, err, "3221225472 bytes, a 32-bit platform takes 1879048191")
		require.NoError(t, os.Truncate(path, 1<<20))
		s, err = store.Open(path, detecting)
	}
	require.NoError(t, err)
	mustGet(t, s, 1)
	upsert(t, s, placed(2))
	shut(t, s)
}
