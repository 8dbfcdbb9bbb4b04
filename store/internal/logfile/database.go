package logfile

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"allocstore/store/internal/record"
)

// A database is an open bbolt database and the file that it is in.
//
// bbolt reads the mapped file while it holds its own locks. A file that is cut short, or a disk
// that fails, makes such a read a memory fault, and the locks are then never released: the next
// call would block for ever. So a database that has had a fault is not used again, and mu sees to
// it that no goroutine is waiting for such a lock by then:
//
//   - bbolt's lock of the meta pages is under mu: begin and end take it, and nothing else.
//   - begin may wait under mu until bbolt has mapped the file anew, and bbolt waits for the
//     readers before that. So end does not wait for mu.
//   - Mapping anew is never over when a reader had a fault. commitPages does not wait for it.
type database struct {
	bolt *bbolt.DB
	path string
	raw  *os.File // for plain reads and makeRoom; closed with the database

	writing sync.Mutex     // held from begin(true) to the end of the transaction; comes before mu
	commits sync.WaitGroup // commits under way, also those that commitPages gave up

	mu struct {
		sync.Mutex            // comes after all locks of the store; bbolt's own come after it
		ended      error      // why no transaction begins any more: errEnded, or fault
		fault      error      // the first fault
		readers    int        // read transactions
		changed    *sync.Cond // readers is 0, or there was a fault
	}
	faulty chan struct{} // closed at the first fault
	told   atomic.Bool   // the store knows of the fault
	mapped int64         // how much of the file is mapped, at least

	size atomic.Int64 // a lower bound of the file's size: the file only grows

	// The rest belongs to the committer.
	allocated int64        // how far the file has blocks
	ahead     int64        // how many bytes makeRoom wrote ahead the last time
	refused   int64        // the free pages do not suffice for that many bytes; 0 after a commit
	limit     func() int64 // where the disk ends, in a test; else nil

	lacks atomic.Bool // see RoomLacks
}

// maxFile bounds the file. Where int has 32 bits it leaves room below 2 GiB, so that no sum in bbolt
// overflows.
const maxFile = math.MaxInt - 256<<20

// errEnded: the database was closed.
var errEnded = errors.New("the database is closed")

func newDatabase(bolt *bbolt.DB, path string, raw *os.File) *database {
	db := &database{bolt: bolt, path: path, raw: raw, faulty: make(chan struct{})}
	db.mu.changed = sync.NewCond(&db.mu)
	return db
}

// openDatabase gives raw, which is locked and verified, to bbolt. raw is closed with the
// database, and after an error by the caller.
//
// Commits leave out the list of free pages, which bbolt would write whole each time: once
// compaction has freed 100 MB, that is 200 kB a commit.
func openDatabase(path string, raw *os.File, o *Options) (_ *database, err error) {
	defer contain(path, catchFaults(), &err)
	bolt, err := bbolt.Open(path, fileMode, &bbolt.Options{
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
	db := newDatabase(bolt, path, raw)
	db.mapped, db.limit = int64(o.InitialMmapBytes), o.Limit
	return db, db.look()
}

// begin begins a transaction, unless the database was closed or has had a fault. End a read
// transaction by end. The caller that begins the other kind holds db.writing.
func (db *database) begin(writable bool) (tx *bbolt.Tx, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.mu.ended != nil {
		return nil, db.mu.ended
	}
	defer func() {
		if p := recover(); p != nil {
			err = db.brokenLocked(p)
		}
	}()
	if tx, err = db.bolt.Begin(writable); err == nil && !writable {
		db.mu.readers++
	}
	return tx, err
}

// endTries bounds how often end tries to get mu, which is held for less than a microsecond.
const endTries = 100

// end ends a read transaction. If mu is not free soon, another goroutine does it, which may never
// end if there is a fault.
func (db *database) end(tx *bbolt.Tx) {
	for range endTries {
		if db.mu.TryLock() {
			if db.mu.fault == nil {
				_ = tx.Rollback() // of a reader: no error
			}
			db.leftLocked()
			db.mu.Unlock() // a defer in a loop would take memory
			return
		}
	}
	go func() {
		_ = tx.Rollback()
		db.mu.Lock()
		defer db.mu.Unlock()
		db.leftLocked()
	}()
}

// leftLocked notes that a read transaction has ended.
func (db *database) leftLocked() {
	if db.mu.readers--; db.mu.readers == 0 {
		db.mu.changed.Broadcast()
	}
}

// contain makes a panic the database's fault, and the error of the caller. Use it as contain of
// fault.go.
func (db *database) contain(was bool, err *error) {
	debug.SetPanicOnFault(was)
	if p := recover(); p != nil {
		db.mu.Lock()
		defer db.mu.Unlock()
		*err = db.brokenLocked(p)
	}
}

// brokenLocked ends the use of the database because of what a panic said.
func (db *database) brokenLocked(p any) error {
	if db.mu.fault == nil {
		db.mu.fault = panicError(db.path, p)
		db.mu.ended = db.mu.fault
		db.mu.changed.Broadcast()
		close(db.faulty)
	}
	return db.mu.fault
}

// fault returns the first fault, or nil.
func (db *database) fault() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.mu.fault
}

// close closes the database and waits for its readers. The mapping of one that has had a fault
// is never given back, since a reader may use it. Its file is unlocked at once, and closed when no
// commit is under way: a commit whose write fails has bbolt read all pages in a goroutine of its
// own, where a fault ends the process.
func (db *database) close() error {
	db.mu.Lock()
	if db.mu.ended == nil {
		db.mu.ended = errEnded
	}
	for db.mu.readers > 0 && db.mu.fault == nil {
		db.mu.changed.Wait()
	}
	sound := db.mu.fault == nil
	db.mu.Unlock()
	if sound {
		return db.bolt.Close()
	}
	err := unlock(db.raw)
	go func() {
		db.commits.Wait()
		_ = db.raw.Close()
	}()
	return err
}

// commit commits tx with one sync. bbolt has two: it syncs the pages before it writes the
// meta page that leads to them. Here a power cut may leave the meta page without the
// pages. Open detects that and uses the other meta page, which leads to the state before
// tx. That state is whole, because the pages it needs are reused by the next transaction
// at the earliest. See design/0009.
func (db *database) commit(tx *bbolt.Tx) error {
	if err := db.look(); err != nil {
		return err
	}
	if err := db.commitPages(tx); err != nil {
		return err
	}
	return db.bolt.Sync()
}

// look returns an error if the file was cut short or has no name any more. It takes one call of
// the system. A cut is a fault, and no page needs to be read to find it.
func (db *database) look() error {
	known := db.size.Load() // before the file is asked, which may become longer
	info, err := db.raw.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() < known:
		db.mu.Lock()
		defer db.mu.Unlock()
		return db.brokenLocked(fmt.Sprintf("the file has %d bytes, and had %d: it was cut short while it was open", info.Size(), known))
	case info.Size() > known:
		db.size.CompareAndSwap(known, info.Size())
	}
	if links(info) == 0 && !isName(db.path, db.raw) {
		return fmt.Errorf("%s: %w", db.path, ErrDetached)
	}
	return nil
}

// mayRemap is the room for one transaction in the mapping. With less left, bbolt may map the file
// anew.
const mayRemap = 256 << 20

// commitPages is tx.Commit. To map the file anew, bbolt waits for all readers, and one that had
// a fault never leaves. So the caller does not wait for that longer than until a fault.
func (db *database) commitPages(tx *bbolt.Tx) error {
	if tx.Size()+mayRemap <= db.mapped {
		db.commits.Add(1)
		defer db.commits.Done()
		return tx.Commit()
	}
	done := make(chan error, 1)
	db.commits.Go(func() {
		var err error
		defer func() { done <- err }()
		defer db.contain(catchFaults(), &err)
		err = tx.Commit()
	})
	select {
	case err := <-done:
		return err
	case <-db.faulty:
		return db.fault()
	}
}

// updateTwice commits the writes of fn twice, with bbolt's own syncs. Both meta pages then
// lead to the same content, so later damage is not taken for an unfinished commit.
func (db *database) updateTwice(fn func(Tx) error) error {
	defer func(was bool) { db.bolt.NoSync = was }(db.bolt.NoSync)
	db.bolt.NoSync = false
	if err := db.update(fn); err != nil {
		return err
	}
	return db.update(fn)
}

// update commits the writes of fn as bbolt is set up, with its syncs or without. bbolt's own
// Update checks all pages in another goroutine after a panic, where a second panic could not be
// contained.
func (db *database) update(fn func(Tx) error) (err error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	defer db.contain(catchFaults(), &err)
	tx, err := db.begin(true)
	if err != nil {
		return err
	}
	defer db.rollback(tx)
	if err := fn(newTx(tx)); err != nil {
		return err
	}
	return db.commitPages(tx)
}

// rollback rolls tx back, the transaction of an update, unless it was committed. After a fault
// commitPages may still be at work on it.
func (db *database) rollback(tx *bbolt.Tx) {
	if db.fault() == nil {
		_ = tx.Rollback() // bbolt's only error is that tx is closed
	}
}
