package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFullFileSystem fills a file system of 4 MiB. Without the right to mount one it opens the
// store on the machine's own, behind a limit.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	dir, opts := t.TempDir(), Options{}
	err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		opts.diskEnd = func() int64 { return 4 << 20 }
	} else {
		require.NoError(t, err)
		defer func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
	}
	testFullDisk(t, filepath.Join(dir, "full.db"), opts)
}

// allocatedBytes returns the size of the blocks of a file.
func allocatedBytes(info fs.FileInfo) int64 { return info.Sys().(*syscall.Stat_t).Blocks * 512 }
