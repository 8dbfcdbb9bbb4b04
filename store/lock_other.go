//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package store

import "os"

// lock leaves the locking to bbolt, whose locks on this system are such that one
// taken here would keep bbolt out. Two openers at the same moment are then kept
// apart by bbolt alone, after the file has been read.
func lock(*os.File, bool) (bool, error) { return true, nil }
