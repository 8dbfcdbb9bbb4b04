package logfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"allocstore/store/internal/record"
)

// A database is an open bbolt database and the file that it is in.
type database struct {
	*bbolt.DB
	raw *os.File // for plain reads and allocate; closed with the database

	// Both belong to the committer.
	allocated int64 // how far allocate has written, or found no room
	ahead     int64 // how many bytes it wrote the last time
}

// openDatabase gives raw, which is locked and verified, to bbolt. raw is closed with the
// database, and after an error by the caller.
//
// Commits leave out the list of free pages, which bbolt would write whole each time: once
// compaction has freed 100 MB, that is 200 kB a commit.
func openDatabase(path string, raw *os.File, o *Options) (_ *database, err error) {
	defer contain(path, catchFaults(), &err)
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:         lockRetry,
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		NoSync:          true, // see commit
		InitialMmapSize: o.InitialMmapBytes,
		NoStatistics:    true,
		ReadOnly:        o.ReadOnly,
		OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return raw, nil },
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", record.ErrCorrupt, err)
	case err != nil:
		return nil, err
	}
	return &database{DB: db, raw: raw}, nil
}

// commit commits tx with one sync. bbolt has two: it syncs the pages before it writes the
// meta page that leads to them. Here a power cut may leave the meta page without the
// pages. Open detects that and uses the other meta page, which leads to the state before
// tx. That state is whole, because the pages it needs are reused by the next transaction
// at the earliest. See design/0009.
func (db *database) commit(tx *bbolt.Tx) error {
	if err := db.allocate(tx.Size()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return db.Sync()
}

const (
	// maxAhead bounds how far allocate writes ahead. Twice as much gains nothing, and
	// makes the commit that syncs it slower. allocate begins with minAhead and doubles it,
	// since many stores are opened for one commit.
	maxAhead = 512 << 10
	minAhead = 128 << 10

	// minLeft is room for the pages of a commit of 256 writers. With less left, allocate
	// writes ahead again.
	minLeft = 64 << 10
)

var zeros [maxAhead]byte

// allocate writes zeros behind end, the end of the pages in use, so that the file system
// allocates blocks for the next commits. bbolt extends a file by a hole, and a sync of
// writes into a hole also waits for the file system's journal: 0.2 ms instead of 0.12.
// One allocation serves some 20 commits. See design/0010.
//
// It writes where neither this state nor the one before has a page, and before the
// transaction writes. After a crash nothing refers to these bytes. A full disk is ignored
// here: a small commit, such as a deletion, may still fit, and one that does not fails by
// itself.
func (db *database) allocate(end int64) error {
	if end+minLeft <= db.allocated {
		return nil
	}
	info, err := db.raw.Stat()
	if err != nil {
		return err
	}
	from := max(end, db.allocated)
	db.ahead = min(max(2*db.ahead, minAhead), maxAhead)
	to := min(from+db.ahead, info.Size()) // only bbolt makes the file longer
	if from >= to {
		return nil
	}
	if _, err := db.raw.WriteAt(zeros[:to-from], from); err != nil && !diskFull(err) {
		return err
	}
	db.allocated = to
	return nil
}

// diskFull reports whether err says that the disk, or the user's quota of it, is full.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// updateTwice commits the writes of fn twice, with bbolt's own syncs. Both meta pages then
// lead to the same content, so later damage is not taken for an unfinished commit.
func updateTwice(db *bbolt.DB, fn func(Tx) error) error {
	defer func(was bool) { db.NoSync = was }(db.NoSync)
	db.NoSync = false
	if err := update(db, fn); err != nil {
		return err
	}
	return update(db, fn)
}

// update commits the writes of fn. bbolt's own Update checks all pages in another goroutine
// after a panic, where a second panic could not be contained.
func update(db *bbolt.DB, fn func(Tx) error) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect once it was committed
	if err := fn(newTx(tx)); err != nil {
		return err
	}
	return tx.Commit()
}
