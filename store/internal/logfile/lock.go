package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Two locks keep a second writer out. The lock of the file is one of its inode: it holds
// under every name of the file, and says nothing about another file at the same path. The
// lock of the path is on a file beside the store's. It holds when the store's file is
// renamed while it is open; otherwise the next opener would create a new store in its
// place. The file beside the store exists while the store is open, and after a crash,
// when it is not locked.

// lockRetry is the time between two attempts to get a lock.
const lockRetry = 10 * time.Millisecond

// lockName returns the name of the file beside the store at path.
func lockName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
}

// lockPath locks the path. A reader shares the lock file of a writer. It does not
// create one: without a lock file it returns nil.
func lockPath(path string, o *Options) (*os.File, error) {
	flag := o.flag()
	if !o.ReadOnly {
		flag |= os.O_CREATE
	}
	if err := checkKind(lockName(path)); err != nil {
		return nil, err
	}
	f, err := openLocked(lockName(path), flag, o, os.OpenFile)
	if o.ReadOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// unlockPath unlocks the path. If the directory was renamed, the name now belongs to
// another store's lock, or to no file, and is left alone.
func (f *File) unlockPath() error {
	if f.lock == nil {
		return nil
	}
	var err error
	if !f.o.ReadOnly && isName(f.lock.Name(), f.lock) {
		err = os.Remove(f.lock.Name()) // while it is locked: a waiting opener sees that the name is gone
	}
	return errors.Join(err, f.lock.Close())
}

// openLocked opens the file and locks it: alone for writing, shared for reading. The lock
// is one of the file and not of its name. An opener that waited may get the lock of a file
// that was replaced or removed meanwhile, and then starts over.
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
		if err == nil && !locked && !time.Now().Before(deadline) {
			err = fmt.Errorf("%w%s, waited %v", ErrLocked, heldBy(f), max(o.LockTimeout, 0))
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// heldBy names the processes that hold the lock of f, or returns "" if they are not known.
func heldBy(f *os.File) string {
	pids := holders(f)
	if len(pids) == 0 {
		return ""
	}
	names := make([]string, len(pids))
	for i, pid := range pids {
		names[i] = fmt.Sprintf("process %d", pid)
		if pid == os.Getpid() {
			names[i] = fmt.Sprintf("this process, %d", pid)
		}
	}
	return " (" + strings.Join(names, ", ") + ")"
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
