//go:build !unix

package logfile

import (
	"io/fs"
	"os"
)

// copyOwner gives f the mode of another file.
func copyOwner(f *os.File, like fs.FileInfo) error { return f.Chmod(like.Mode().Perm()) }
