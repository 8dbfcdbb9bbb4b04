package logfile

import (
	"os"
	"syscall"
)

// fallocate allocates the blocks of a region of f without writing them.
func fallocate(f *os.File, from, n int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, from, n)
		if err != syscall.EINTR {
			return err
		}
	}
}
