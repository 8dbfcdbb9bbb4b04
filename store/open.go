package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
// written; ErrInvalid for options that cannot be; otherwise the *fs.PathError of
// what went wrong. After an error no lock is held and no content has changed; a
// file that was created stays.
//
// Open reads the whole log once, to rebuild the table of IDs, and decodes
// nothing; it takes about a microsecond an allocation.
func Open(path string, opts *Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("allocstore: open %s: %w", path, err)
	}
	o := opts.withDefaults()
	f, err := openFile(path, &o)
	if err != nil {
		return nil, fmt.Errorf("allocstore: open %s: %w", path, err)
	}
	s := newStore(f, o)
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("allocstore: open %s: %w", path, err), f.close())
	}
	s.committer.start()
	go s.sweeper.run()
	return s, nil
}

// newStore returns a store that has not looked into its file yet.
func newStore(f *file, o Options) *Store {
	s := &Store{
		file:    f,
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
	s.waiters.New = func() any { return watch.NewWaiter() }
	s.committer = newCommitter(s)
	s.sweeper = newSweeper(s)
	return s
}

// openFile opens the database, after it was created if need be, and locks it.
func openFile(path string, o *Options) (*file, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = create(path)
	case err == nil && info.IsDir():
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	case err == nil && !info.Mode().IsRegular():
		err = fmt.Errorf("%w: not a regular file", ErrCorrupt)
	case err == nil:
		err = lookAt(path)
	}
	if err != nil {
		return nil, readOnly(err)
	}
	return openDatabase(path, o)
}

// openDatabase opens a file that looks like a bbolt database. A panic of bbolt
// on a damaged one comes back as ErrCorrupt, and the file that bbolt then leaves
// open, and locked, is closed.
func openDatabase(path string, o *Options) (f *file, err error) {
	var opened *os.File
	defer func() {
		if err != nil && opened != nil {
			_ = opened.Close() // bbolt has closed it already, unless it panicked
		}
	}()
	defer contain(path, &err)()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:         max(o.LockTimeout, 1),
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: o.InitialMmapBytes,
		NoStatistics:    true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := o.openFile(name, flag, mode)
			opened = file
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w, waited %v", ErrLocked, max(o.LockTimeout, 0))
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case err != nil:
		return nil, readOnly(err)
	}
	if err := settle(path); err != nil {
		return nil, errors.Join(readOnly(err), db.Close())
	}
	return newFile(path, db), nil
}

// readOnly marks the errors of a place that cannot be written.
func readOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
