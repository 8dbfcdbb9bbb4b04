package logfile

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestResolveBesideCreation resolves the path of a file while it is created, as an opener does beside
// another one.
func TestResolveBesideCreation(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	path := filepath.Join(dir, "file.db")
	for range 500 {
		created := make(chan error)
		go func() {
			runtime.Gosched()
			created <- os.WriteFile(path, nil, fileMode)
		}()
		for done := false; !done; {
			file, err := resolve(path)
			require.NoError(t, err)
			require.Equal(t, path, file)
			select {
			case err := <-created:
				require.NoError(t, err)
				done = true
			default:
			}
		}
		require.NoError(t, os.Remove(path))
	}
}
