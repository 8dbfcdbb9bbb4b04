package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"allocstore/watch"
)

// Open opens the store in the file at path, and creates it if nothing is there;
// the directory must exist. A nil opts means the defaults.
//
// Errors: ErrLocked if another opener holds the file for longer than
// Options.LockTimeout; ErrCorrupt if the file is damaged or not a store;
// ErrFormatVersion if it is one of another format; ErrReadOnly if it cannot be
// written; ErrInvalid for options that cannot be; otherwise the *fs.PathError of
// what went wrong. After an error no lock is held and no content has changed; a
// file that was created stays.
//
// Open reads the whole log once, to rebuild the table of IDs, and decodes
// nothing; it takes about a microsecond for each record in the file, of which an
// allocation has one until its client has reported, two from then on, and those that
// compaction has not removed yet.
func Open(path string, opts *Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("allocstore: open %s: %w", path, err)
	}
	s := newStore(opts.withDefaults())
	if err := s.open(path); err != nil {
		return nil, fmt.Errorf("allocstore: open %s: %w", path, readOnly(err))
	}
	s.committer.start()
	go s.sweeper.run()
	return s, nil
}

// newStore returns a store that has no file yet.
func newStore(o Options) *Store {
	s := &Store{
		opts:    o,
		table:   newTable(),
		jobs:    newJobs(),
		lists:   newLists(),
		readers: newReaders(),
		tally:   newTally(o.FeedRetention),
		watch:   watch.New(),
		done:    make(chan struct{}),
	}
	s.requests.New = newRequest
	s.waiters.New = func() any { return newWaiter(s.watch) }
	s.committer = newCommitter(s)
	s.sweeper = newSweeper(s)
	return s
}

// open creates the file if nothing is there, locks it, reads it, and only then
// lets bbolt map it.
func (s *Store) open(path string) error {
	if err := ensure(path); err != nil {
		return err
	}
	path, err := resolve(path)
	if err != nil {
		return err
	}
	f, err := openLocked(path, &s.opts)
	if err != nil {
		return err
	}
	removeUnfinished(path)
	var db *database
	if err = s.load(f); err == nil {
		db, err = openDatabase(path, f, &s.opts)
	}
	if err != nil {
		_ = f.Close() // bbolt may have closed it already
		return err
	}
	s.file = &file{path: path}
	s.file.db.Store(db)
	return nil
}

// resolve returns the name of the file itself, whichever the process's directory
// will be: a rewrite puts another file in its place.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// ensure creates a store at path if nothing is there.
func ensure(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(path)
	case err == nil && info.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	return err
}

// lockRetry is how long an opener waits before it tries the lock again.
const lockRetry = 10 * time.Millisecond

// openLocked opens the file and locks it. The lock is one of the file and not of
// its name: whoever waited for it may hold that of a file which has been replaced
// (see Store.Compact), and starts over.
func openLocked(path string, o *Options) (*os.File, error) {
	for deadline := time.Now().Add(o.LockTimeout); ; time.Sleep(lockRetry) {
		f, err := o.openFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		locked, err := lock(f)
		if err == nil && locked && names(path, f) {
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

// names reports whether path is a name of f.
func names(path string, f *os.File) bool {
	at, err := os.Stat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(at, open)
}

// openDatabase gives f, which is locked and has been verified, to bbolt. It is
// closed with the database, or after an error by the caller.
//
// Commits leave out the list of free pages, which would have to be written whole
// with each: as soon as compaction has freed 100 MB, that is 200 kB a commit.
func openDatabase(path string, f *os.File, o *Options) (_ *database, err error) {
	defer contain(path, &err)()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:         lockRetry,
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: o.InitialMmapBytes,
		NoStatistics:    true,
		OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case err != nil:
		return nil, err
	}
	return &database{db, f}, nil
}

// readOnly marks the errors of a place that cannot be written.
func readOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
