//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package logfile

import (
	"errors"
	"os"
	"syscall"
)

// lock locks f, alone or shared with others, and reports whether it got the lock. It is
// the lock that bbolt uses too; a second call on the same f changes nothing, so bbolt, when
// given f, gets it as well. It ends when f is closed.
func lock(f *os.File, alone bool) (bool, error) {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unlock ends the lock of f. Closing f does not, as long as f is mapped.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
