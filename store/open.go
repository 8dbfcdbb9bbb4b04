package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/state"
)

// Open opens the store in the file at path, and creates a missing file; the directory must
// exist. A nil opts means the defaults.
//
// Errors: ErrLocked if another opener holds the file for longer than Options.LockTimeout;
// ErrCorrupt if the file is damaged or not a store's; ErrFormatVersion if it has another
// format; ErrReadOnly if it can be read and not written, or if Options.ReadOnly is set and the
// last commit is unfinished, which only a writer can take back; ErrInvalid for invalid
// options; otherwise an *fs.PathError, also for a directory, a named pipe or a backup. After an
// error no lock is held and no content has changed; a file that was created stays. With
// Options.ReadOnly nothing is created or written, and other read-only openers are not locked out.
//
// An open store holds a lock on its file, and one on a file beside it for the path, so a
// second opener is refused even if the store's file was renamed.
//
// Open reads the whole log once, to rebuild the table of IDs, and decodes nothing; twice
// if the last commit is unfinished or anything is damaged. It takes about a microsecond
// for each record in the file. An allocation has one record until its client has reported,
// then two, and those that compaction has not removed yet.
func Open(path string, opts *Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s, err := open(path, opts.withDefaults())
	if err != nil {
		err = readOnly(path, opts, err)
		absolute, _ := filepath.Abs(path)
		if named := (*fs.PathError)(nil); errors.As(err, &named) && named.Path == absolute {
			return nil, err // it names the file already
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

var errIsBackup = errors.New("is a backup, not a store: restore it into one")

// open opens the file, loads its state and starts the store's goroutines.
func open(path string, o Options) (*Store, error) {
	f, err := logfile.Open(path, o.logfile())
	if err != nil {
		return nil, err
	}
	st, err := state.Open(f, o.state())
	if err != nil {
		if errors.Is(err, ErrCorrupt) && backupstream.IsBackup(f.Raw()) {
			err = &fs.PathError{Op: "open", Path: f.Path(), Err: errIsBackup}
		}
		_ = f.Close() // the first error says what is wrong
		return nil, err
	}
	if faults := st.Damaged.Faults(); o.Replicated && len(faults) > 0 {
		err = fmt.Errorf("%w; a replica does not open with damage: remove the file, and install a backup of another replica", faults[0])
		return nil, errors.Join(err, f.Close())
	}
	s := newStore(o, st)
	s.reportDamage(st)
	s.committer.start()
	go s.sweeper.run()
	return s, nil
}

// readOnly marks an error of writing that says that the file cannot be written. An error of
// a file that cannot even be read stays as it is.
func readOnly(path string, o *Options, err error) error {
	refused := errors.Is(err, fs.ErrPermission) && (o == nil || !o.ReadOnly) && !unreadable(path)
	if refused || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

// unreadable reports whether this process may not read the regular file at path.
func unreadable(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close()
	}
	return errors.Is(err, fs.ErrPermission)
}
