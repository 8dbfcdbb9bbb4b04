package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"allocstore/store/internal/boltfile"
)

// A File is the open file of a store.
type File struct {
	path string // absolute, without symbolic links
	o    Options
	lock *os.File // of the path; nil without one
	raw  *os.File // locked

	db atomic.Pointer[database] // nil until Map; replaced when the file is compacted

	onFault func(*File, error) // nil until OnFault was called

	// settled: the file is as Settle leaves it. The committer uses it, and Open and Close when
	// the committer does not run.
	settled bool
}

// Open locks the path and the file there, which it creates unless o.ReadOnly is set. The
// content has not been looked at: verify it by plain reads of Raw, then call Map. Close
// the File also if Map fails.
//
// It blocks for up to o.LockTimeout. Errors: ErrLocked; or an *fs.PathError, also if path is
// a directory or a named pipe.
func Open(path string, o Options) (*File, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if err := checkKind(path); err != nil {
		return nil, err
	}
	lock, err := lockPath(path, &o)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, o: o, lock: lock}
	if f.raw, err = openRaw(path, &o); err == nil {
		if err = fits(f.raw); err == nil {
			return f, nil
		}
		_ = f.raw.Close()
	}
	_ = f.unlockPath() // the first error says what is wrong
	return nil, err
}

// fits returns an error if f is too large for this platform.
func fits(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.Size() > maxFile {
		err = &fs.PathError{Op: "open", Path: f.Name(), Err: fmt.Errorf("%d bytes, a 32-bit platform takes %d: %w", info.Size(), int64(maxFile), syscall.EFBIG)}
	}
	return err
}

// openRaw creates a missing file, opens it and locks it.
func openRaw(path string, o *Options) (*os.File, error) {
	if !o.ReadOnly {
		if err := ensure(path); err != nil {
			return nil, err
		}
		removeUnfinished(path)
	}
	return openLocked(path, o.flag(), o, o.OpenFile)
}

// resolve returns the absolute path without symbolic links, since the process may change
// its directory and a compaction replaces the file itself. The file need not exist.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err = os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return filepath.EvalSymlinks(path)
	}
	// Another opener may create the file at this moment: it does not become a link.
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// ensure creates a missing store at path. It makes the name durable in any
// case: an earlier process may have given it and failed to.
func ensure(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = create(path)
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// checkKind returns an error if anything else than a regular file is at path. Open calls it
// before it opens the file, since opening a named pipe blocks.
func checkKind(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return nil // if it cannot be opened or created, that error says more
	}
	kind := errors.New("is not a regular file")
	switch mode := info.Mode(); {
	case mode.IsDir():
		kind = syscall.EISDIR
	case mode&fs.ModeNamedPipe != 0:
		kind = errors.New("is a named pipe, not a regular file")
	case mode&fs.ModeSocket != 0:
		kind = errors.New("is a socket, not a regular file")
	case mode&fs.ModeDevice != 0:
		kind = errors.New("is a device, not a regular file")
	}
	return &fs.PathError{Op: "open", Path: path, Err: kind}
}

// Path returns the absolute path of the file.
func (f *File) Path() string { return f.path }

// ReadOnly reports whether the file was opened only for reading.
func (f *File) ReadOnly() bool { return f.o.ReadOnly }

// Raw returns the file that was opened and locked, for plain reads before Map.
func (f *File) Raw() *os.File { return f.raw }

// Map lets bbolt map the file, which the caller has verified and found to hold m.
//
// For writing, it first commits m once more with bbolt's own syncs. An earlier process may
// have left pages of an unfinished transaction behind, and committing again uses up that
// one's ID, so its pages can never match a sum; see Manifest.TotalIn. hasFreelist says that
// the file has a list of free pages, which is then kept.
func (f *File) Map(m *Manifest, hasFreelist bool) error {
	db, err := openDatabase(f.path, f.raw, &f.o)
	if err != nil {
		return err
	}
	f.db.Store(db)
	f.settled = hasFreelist
	if f.o.ReadOnly {
		return nil
	}
	db.bolt.NoSync, db.bolt.NoFreelistSync = false, !hasFreelist
	defer func() { db.bolt.NoSync, db.bolt.NoFreelistSync = true, true }()
	return db.update(m.Put)
}

// OnFault has fn called, once, when the file turns out to be unusable while it is open: with the
// File and the error that all later calls return. Call it before the File is shared.
func (f *File) OnFault(fn func(*File, error)) { f.onFault = fn }

// tell reports the fault of db, the file in use, if there was one, and returns err.
func (f *File) tell(db *database, err error) error {
	if err == nil || f.onFault == nil {
		return err
	}
	if fault := db.fault(); fault != nil && f.db.Load() == db && db.told.CompareAndSwap(false, true) {
		f.onFault(f, fault)
	}
	return err
}

// Close closes the file, waits for reads that are under way, and unlocks the path.
func (f *File) Close() error {
	if db := f.db.Load(); db != nil {
		return errors.Join(db.close(), f.unlockPath())
	}
	_ = f.raw.Close() // bbolt may have closed it already
	return f.unlockPath()
}

// Settle makes the next opening faster, unless the file is settled or the disk is full: it writes the list of
// free pages, which commits leave out, and about how many IDs there are.
func (f *File) Settle(m *Manifest, ids int) error {
	db := f.db.Load()
	if f.settled || db.lacks.Load() {
		return nil
	}
	db.bolt.NoFreelistSync = false
	return db.updateTwice(func(t Tx) error {
		return errors.Join(putMark(t.meta(), idsKey, uint64(ids)), m.Put(t))
	})
}

// View runs fn in a short read transaction. Errors: ErrClosed if the file is closed or was
// replaced by another store's content; record.ErrCorrupt for a panic or a memory fault on
// a damaged page, which is also the error of all later calls; and fn's own.
func (f *File) View(fn func(Tx) error) error {
	for {
		db := f.db.Load()
		err := db.view(fn)
		if err != errEnded {
			return f.tell(db, err)
		}
		if f.db.Load() == db {
			return ErrClosed
		}
	}
}

// view is bbolt's View without its closures: each would be an allocation in every read.
func (db *database) view(fn func(Tx) error) (err error) {
	defer db.contain(catchFaults(), &err)
	tx, err := db.begin(false)
	if err != nil {
		return err
	}
	defer db.end(tx)
	return fn(newTx(tx))
}

// Update runs fn in the write transaction, and commits it with one sync if fn returns
// true. After an error of the commit the content of the disk is unknown.
func (f *File) Update(fn func(Tx) (commit bool, err error)) error {
	db := f.db.Load()
	committed, err := db.write(fn)
	if committed {
		f.settled = false
	}
	return f.tell(db, err)
}

// write is Update. It reports whether it came to the commit.
func (db *database) write(fn func(Tx) (commit bool, err error)) (commit bool, err error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	defer db.contain(catchFaults(), &err)
	tx, err := db.begin(true)
	if err != nil {
		return false, err
	}
	defer db.rollback(tx)
	t := newTx(tx)
	t.db = db
	if commit, err = fn(t); err != nil || !commit {
		return false, err
	}
	db.refused = 0
	return true, db.commit(tx)
}

// ViewFrozen opens the file for plain reads as it is now, and keeps it so until fn
// returns: a read transaction keeps bbolt from reusing the pages. It may be called from
// any goroutine.
func (f *File) ViewFrozen(ctx context.Context, fn func(*boltfile.File) error) error {
	for {
		db, again := f.db.Load(), false
		err := db.view(func(t Tx) error {
			plain, err := boltfile.Newest(db.raw)
			if err != nil {
				return err
			}
			if again = plain.Transaction() != uint64(t.tx.ID()); again { // one was committed in between
				return ctx.Err()
			}
			return fn(plain)
		})
		switch {
		case err == errEnded && f.db.Load() != db, err == nil && again:
		case err == errEnded:
			return ErrClosed
		default:
			return f.tell(db, err)
		}
	}
}

// Look returns ErrDetached if the file was removed, or if its path names another file, and
// record.ErrCorrupt, also for all later calls, if it was cut short. It neither blocks nor maps a
// page. A file that a Successor is replacing seems to be detached.
func (f *File) Look() error {
	db := f.db.Load()
	if err := db.look(); err != nil {
		return err
	}
	at, err := os.Stat(f.path)
	if err != nil { // renamed, or not to be seen: the file lives
		return nil
	}
	if own, err := db.raw.Stat(); err == nil && !os.SameFile(at, own) {
		return fmt.Errorf("%s: %w: another file is there", f.path, ErrDetached)
	}
	return nil
}

// inPlace returns the file's FileInfo, or an error if the path does not name it any more.
func (f *File) inPlace() (fs.FileInfo, error) {
	at, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	own, err := f.db.Load().raw.Stat()
	if err == nil && !os.SameFile(at, own) {
		err = fmt.Errorf("%s: %w: another file is there", f.path, ErrDetached)
	}
	return at, err
}

// Size returns the size of the file in bytes, or 0 if it cannot be determined.
func (f *File) Size() int64 {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0
	}
	return info.Size()
}
