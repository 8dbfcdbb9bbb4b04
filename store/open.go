package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

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
// written, or if with Options.ReadOnly it would have to be, to take back a commit that was
// cut off; ErrInvalid for options that cannot be; otherwise the *fs.PathError of
// what went wrong. After an error no lock is held and no content has changed; a
// file that was created stays. With Options.ReadOnly nothing is created, locked for
// others who only read, or written.
//
// While it is open a lock is held on the file, and on one beside it that keeps the
// name: a second opener is refused also when the file has been renamed.
//
// Open reads the whole log once, to rebuild the table of IDs, and decodes
// nothing; twice if the last commit was cut off, or anything is damaged. It takes about
// a microsecond for each record in the file, of which an allocation has one until its
// client has reported, two from then on, and those that compaction has not removed yet.
func Open(path string, opts *Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("allocstore: open %s: %w", path, err)
	}
	s, err := open(path, opts.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("allocstore: open %s: %w", path, readOnly(err))
	}
	if s.opts.ReadOnly {
		s.committer.refuse(ErrReadOnly)
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
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.requests.New = newRequest
	s.waiters.New = func() any { return watch.NewWaiter() }
	if o.DetectMutation {
		s.mutations = newMutations()
	}
	s.committer = newCommitter(s)
	s.sweeper = newSweeper(s)
	return s
}

// open takes the locks, creates the file if nothing is there, reads it, and only then
// lets bbolt map it.
func open(path string, o Options) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	pathLock, err := lockPath(path, &o)
	if err != nil {
		return nil, err
	}
	s, err := openFile(path, o)
	if err != nil {
		_ = unlockPath(pathLock, &o)
		return nil, err
	}
	s.pathLock = pathLock
	return s, nil
}

// openFile is open with the path's lock.
func openFile(path string, o Options) (*Store, error) {
	if !o.ReadOnly {
		if err := ensure(path); err != nil {
			return nil, err
		}
		removeUnfinished(path)
	}
	f, err := openLocked(path, o.mode(), &o, o.openFile)
	if err != nil {
		return nil, err
	}
	s, err := load(f, o)
	if err == nil {
		err = s.use(path, f)
	}
	if err != nil {
		_ = f.Close() // bbolt may have closed it already
		return nil, err
	}
	s.report(path)
	return s, nil
}

// use opens the database in f, from which the store was loaded.
func (s *Store) use(path string, f *os.File) error {
	db, err := openDatabase(path, f, &s.opts)
	if err != nil {
		return err
	}
	s.file = &file{path: path}
	s.file.db.Store(db)
	if s.opts.ReadOnly {
		return nil
	}
	if err := s.file.resume(&s.holds, !s.unsettled); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// resolve returns the name of the file itself, whichever the process's directory
// will be: a rewrite puts another file in its place. The file need not be there.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	file, err := filepath.EvalSymlinks(path)
	if _, e := os.Lstat(path); !errors.Is(e, fs.ErrNotExist) || !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// ensure creates a store at path if nothing is there, and makes its name durable: also
// that of one which was there, for whoever gave it the name may have failed in this.
func ensure(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = create(path)
	case err == nil && info.IsDir():
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	case err == nil && !info.Mode().IsRegular():
		err = fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// openDatabase gives f, which is locked and has been verified, to bbolt. It is
// closed with the database, or after an error by the caller.
//
// Commits leave out the list of free pages, which would have to be written whole
// with each: as soon as compaction has freed 100 MB, that is 200 kB a commit.
func openDatabase(path string, f *os.File, o *Options) (_ *database, err error) {
	defer contain(path, catchFaults(), &err)
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:         lockRetry,
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		NoSync:          true, // see database.commit
		InitialMmapSize: o.InitialMmapBytes,
		NoStatistics:    true,
		ReadOnly:        o.ReadOnly,
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
	return &database{DB: db, f: f}, nil
}

// readOnly marks the errors of a place that cannot be written.
func readOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
