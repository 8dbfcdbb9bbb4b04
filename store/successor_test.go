package store

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// openFiles counts the open files of the process.
func openFiles(t *testing.T) int {
	t.Helper()
	runtime.GC()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(files)
}

// TestSuccessorFails gives Restore and Compact a new file that cannot be opened, written or
// used. They fail, leave nothing behind, and the store goes on. It is not parallel to tests
// that open files.
func TestSuccessorFails(t *testing.T) {
	from := openTemp(t, nil)
	for i := range byte(100) {
		_, err := from.Upsert(t.Context(), testAlloc(i))
		require.NoError(t, err)
	}
	var stream bytes.Buffer
	_, err := from.Backup(t.Context(), &stream)
	require.NoError(t, err)
	for name, open := range map[string]func(string, int, os.FileMode) (*os.File, error){
		"error": func(string, int, os.FileMode) (*os.File, error) { return nil, os.ErrInvalid },
		"read-only": func(path string, _ int, mode os.FileMode) (*os.File, error) {
			return os.OpenFile(path, os.O_RDONLY, mode)
		},
		"closed": func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(path, flag, mode)
			require.NoError(t, f.Close())
			return f, err
		},
	} {
		path, opener := filepath.Join(t.TempDir(), "a.db"), os.OpenFile
		before := openFiles(t)
		s, err := Open(path, &Options{openFile: func(path string, flag int, mode os.FileMode) (*os.File, error) { return opener(path, flag, mode) }})
		require.NoError(t, err)
		opened := openFiles(t)
		opener = open
		require.Error(t, s.Restore(t.Context(), bytes.NewReader(stream.Bytes())), name)
		require.Error(t, s.Compact(t.Context()), name)
		require.Equal(t, opened, openFiles(t), "%s: every file is closed", name)
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 2, "%s: the store and its lock", name)
		opener = os.OpenFile
		_, err = s.Upsert(t.Context(), testAlloc(1))
		require.NoError(t, err, name)
		require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream.Bytes())), name)
		shut(t, s)
		require.Equal(t, before, openFiles(t), name)
	}
}
