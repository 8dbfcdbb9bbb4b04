package store_test

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

var rewrite = flag.Bool("rewrite", false, "write the files under testdata anew")

// formatFile is a store as a released format has it.
const formatFile = "../testdata/format-%d.db.gz"

// latestFormat is what this package writes.
const latestFormat = 2

// fill writes one of everything into a store: the documented allocation with
// eleven events, a successor to it, and a deletion.
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
	_, err = s.Delete(t.Context(), idOf(2))
	require.NoError(t, err)
}

// TestLeaveFile leaves a file behind for bbolt's own tools to check, where the
// environment says so.
func TestLeaveFile(t *testing.T) {
	path := os.Getenv("ALLOCSTORE_LEAVE_FILE")
	if path == "" {
		path = filepath.Join(t.TempDir(), "left.db")
	}
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	fill(t, s)
	for i := range 3000 {
		upsert(t, s, placed(i))
	}
	var b store.Batch
	for i := 0; i < 3000; i += 3 {
		b.Delete(idOf(i))
	}
	_, err = s.Apply(t.Context(), &b)
	require.NoError(t, err)
	shut(t, s)
}

// TestReleasedFormats reads files that were written when the formats were released.
// With -rewrite it writes the latest one, which is right only before a release.
func TestReleasedFormats(t *testing.T) {
	if *rewrite {
		path := filepath.Join(t.TempDir(), "format.db")
		s, err := store.Open(path, noticing)
		require.NoError(t, err)
		fill(t, s)
		shut(t, s)
		pack(t, path)
	}
	for format := 1; format <= latestFormat; format++ {
		t.Run(fmt.Sprint(format), func(t *testing.T) { readsFormat(t, format) })
	}
}

// readsFormat reads the file of that format, only for reading and as it is taken up.
func readsFormat(t *testing.T, format int) {
	path := filepath.Join(t.TempDir(), "format.db")
	unpack(t, path, format)
	asItIs, err := store.Open(path, &store.Options{DetectMutation: true, ReadOnly: true})
	require.NoError(t, err)
	content := mustShow(t, asItIs)
	shut(t, asItIs)
	fresh := open(t, filepath.Join(t.TempDir(), "fresh.db"), nil)
	fill(t, fresh)
	old := open(t, path, nil)
	require.Equal(t, fresh.LastIndex(), old.LastIndex())
	var want, got []string
	for a, err := range fresh.All() {
		require.NoError(t, err)
		want = append(want, text(a))
	}
	for a, err := range old.All() {
		require.NoError(t, err)
		got = append(got, text(a))
	}
	require.Equal(t, want, got, "what the released format holds reads as it was written")
	require.Contains(t, got[0]+got[1], `"EventsDropped":1`)
	require.Equal(t, content, mustShow(t, old))
	upsert(t, old, placed(77))
}

// pack compresses the file at path into formatFile: most of it is room to grow.
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
	require.NoError(t, os.WriteFile(path, file, 0o600))
}
