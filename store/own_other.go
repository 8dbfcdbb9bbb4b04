//go:build !unix

package store

import (
	"io/fs"
	"os"
)

// own gives f the mode of another file.
func own(f *os.File, like fs.FileInfo) error { return f.Chmod(like.Mode().Perm()) }
