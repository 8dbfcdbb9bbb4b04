package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Two locks keep a second writer out, for there are two ways to the same store. The
// file's own lock is one of the inode: it holds whatever name the file is opened by,
// and says nothing of another file at the same path. So there is a lock of the path
// too, on a file beside it, which holds when the store's file is renamed while it is
// open: otherwise the next opener would make a new store in its place.
//
// The file beside it is there while the store is open, and after a crash, when
// nobody has its lock.

// lockRetry is how long an opener waits before it tries a lock again.
const lockRetry = 10 * time.Millisecond

// lockName is the name of the file beside the store at path.
func lockName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
}

// lockPath takes the lock of the path. Who only reads takes it from a writer that is
// there, and leaves nothing behind: f is nil if there is no file.
func lockPath(path string, o *Options) (f *os.File, err error) {
	flag := os.O_RDWR | os.O_CREATE
	if o.ReadOnly {
		flag = os.O_RDONLY
	}
	f, err = openLocked(lockName(path), flag, o, os.OpenFile)
	if o.ReadOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// unlockPath gives the lock of the path back. When the directory was renamed, what has the
// name now is another's lock, or nothing.
func unlockPath(f *os.File, o *Options) error {
	if f == nil {
		return nil
	}
	var err error
	if !o.ReadOnly && isName(f.Name(), f) {
		err = os.Remove(f.Name()) // while it is locked: who waits for it sees that the name is gone
	}
	return errors.Join(err, f.Close())
}

// openLocked opens the file and locks it: for itself, or if it only reads, with
// others who do. The lock is one of the file and not of its name: whoever waited for
// it may hold that of a file which has been replaced or removed, and starts over.
func openLocked(path string, flag int, o *Options, open func(string, int, os.FileMode) (*os.File, error)) (*os.File, error) {
	for deadline := time.Now().Add(o.LockTimeout); ; time.Sleep(lockRetry) {
		f, err := open(path, flag, fileMode)
		if err != nil {
			return nil, err
		}
		locked, err := lock(f, !o.ReadOnly)
		if err == nil && locked && isName(path, f) {
			return f, nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		if !locked && !time.Now().Before(deadline) {
			return nil, fmt.Errorf("%w, waited %v", ErrLocked, max(o.LockTimeout, 0))
		}
	}
}

// isName reports whether path is a name of f.
func isName(path string, f *os.File) bool {
	at, err := os.Stat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(at, open)
}
