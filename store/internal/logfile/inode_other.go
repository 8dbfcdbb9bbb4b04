//go:build !unix

package logfile

import (
	"io/fs"
	"os"
)

// copyOwner gives f the mode of another file.
func copyOwner(f *os.File, like fs.FileInfo) error { return f.Chmod(like.Mode().Perm()) }

// links returns 1: where it is not known, an open file cannot be removed.
func links(fs.FileInfo) uint64 { return 1 }
