package logfile

import (
	"os"
	"time"
)

// Options are the settings of a File. Every field but Limit must be set.
type Options struct {
	LockTimeout      time.Duration // how long Open waits for a lock; not at all if it is not positive
	InitialMmapBytes int           // address space reserved for the mapped file
	ReadOnly         bool          // locks are shared, nothing is created or written

	// Limit is the end of the disk in a test, or nil: no block of the file is allocated behind it.
	Limit func() int64

	// OpenFile is os.OpenFile, or a test's replacement that makes the disk fail.
	OpenFile func(string, int, os.FileMode) (*os.File, error)
}

// flag returns the flag to open the file with.
func (o *Options) flag() int {
	if o.ReadOnly {
		return os.O_RDONLY
	}
	return os.O_RDWR
}
