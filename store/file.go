package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The file is one bbolt database with three buckets:
//
//	meta  format version, the last index, the content's sum, and some marks; see meta.go
//	log   every record under its key; see key.go and record.go
//	jobs  every distinct job under its hash; see job.go
var (
	metaBucket = []byte("meta")
	logBucket  = []byte("log")
	jobsBucket = []byte("jobs")
)

// A file is the open database. No transaction leaves its methods: a read
// transaction that is held keeps bbolt from reusing pages and from mapping a
// grown file (design/0005: 0.4 MB of data became 16 GB).
type file struct {
	path string                   // absolute, without symbolic links
	db   atomic.Pointer[database] // replaced when the file is rewritten
}

// A database is an open bbolt database and the file that it is in, for plain reads and for
// allocate.
type database struct {
	*bbolt.DB
	f *os.File // closed with the database

	allocated int64 // up to where allocate has come, whether there was room or not; the committer's
	ahead     int64 // how far it went the last time
}

// commit commits tx with one sync, where bbolt has two: it syncs what the transaction
// has written before it writes the meta page that leads there. Here both are on their
// way to the disk at once, and a power cut may leave the meta page without the rest.
// Open finds that out, since it verifies all that it reads, and goes by the other meta
// page, which leads to the state before tx: nothing has been written over what belongs
// to it, for that begins with the next transaction. See design/0009.
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
	// mostAhead is how far allocate goes at the most: twice as far gains no more, and the
	// commit that syncs it takes longer. It begins with leastAhead and doubles that, since
	// many a store is opened for one commit.
	mostAhead  = 512 << 10
	leastAhead = 128 << 10

	// leftAhead is room for the pages of a commit of 256 writers: with less, allocate goes on.
	leftAhead = 64 << 10
)

var zeros [mostAhead]byte

// allocate writes zeros where the next pages will be, from end on, which is where the pages
// in use end, so that the file system has blocks for them. bbolt makes a file longer by a
// hole, and the sync of a commit into a hole waits for the file system's journal too, which
// says where the blocks are: 0.2 ms where 0.12 would do. One sync finds the blocks of some
// 20 commits. See design/0010.
//
// It writes where no page is, of this state or of the one before, and before the transaction
// does. What it leaves behind in a crash is a part of the file that nothing refers to. What
// there is no room for stays a hole: the transaction may still find some on a disk that is
// all but full, where a deletion is what is needed, and if it does not its own writes say so.
func (db *database) allocate(end int64) error {
	if end+leftAhead <= db.allocated {
		return nil
	}
	info, err := db.f.Stat()
	if err != nil {
		return err
	}
	from := max(end, db.allocated)
	db.ahead = min(max(2*db.ahead, leastAhead), mostAhead)
	to := min(from+db.ahead, info.Size()) // only bbolt makes the file longer
	if from >= to {
		return nil
	}
	if _, err := db.f.WriteAt(zeros[:to-from], from); err != nil && !noRoom(err) {
		return err
	}
	db.allocated = to
	return nil
}

// noRoom reports whether err says that the disk is full, or what one may have of it.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// resume commits what the file holds once more, with bbolt's own syncs. Open does so
// before the first write: a transaction that an earlier process did not finish may have
// left pages behind, and no later one may have its number; see contents.encodedIn. With
// freelist, the list of free pages is written again too.
func (f *file) resume(holds *contents, freelist bool) (err error) {
	defer contain(f.path, catchFaults(), &err)
	db := f.db.Load()
	db.NoSync, db.NoFreelistSync = false, !freelist
	defer func() { db.NoSync, db.NoFreelistSync = true, true }()
	return update(db.DB, func(tx *bbolt.Tx) error { return putContents(tx, holds) })
}

// seal has fn write what is the last for now, with bbolt's own syncs, twice: then both
// meta pages lead to the same content, and whatever comes to be damaged is not taken for
// a commit that was not finished.
func seal(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	defer func(was bool) { db.NoSync = was }(db.NoSync)
	db.NoSync = false
	if err := update(db, fn); err != nil {
		return err
	}
	return update(db, fn)
}

// update commits what fn writes. Unlike bbolt's own it does not, after a panic, have all
// pages looked at in another goroutine, where nobody can contain the next one.
func update(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing once it was committed
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// inPlace returns what the file is like now, or an error if the path is not its name
// any more.
func (f *file) inPlace() (fs.FileInfo, error) {
	at, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	own, err := f.db.Load().f.Stat()
	if err == nil && !os.SameFile(at, own) {
		err = &fs.PathError{Op: "compact", Path: f.path, Err: errors.New("is another file now: the store's was moved")}
	}
	return at, err
}

// begin begins a write transaction.
func (f *file) begin() (*bbolt.Tx, error) { return f.db.Load().Begin(true) }

// close closes the database, and waits for reads that are under way.
func (f *file) close() error { return f.db.Load().Close() }

// settle leaves in the file what makes the next opening faster: the list of free
// pages, which commits leave out, and how many IDs there are.
func (f *file) settle(holds *contents, ids int) (err error) {
	defer contain(f.path, catchFaults(), &err)
	db := f.db.Load()
	db.NoFreelistSync = false
	return seal(db.DB, func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		return errors.Join(putMark(meta, idsKey, uint64(ids)), putContents(tx, holds))
	})
}

// reading is a transaction and its log. The other buckets are opened when they are
// needed: that costs a search, and memory.
type reading struct {
	tx  *bbolt.Tx
	log *bbolt.Bucket
}

func (r reading) jobs() *bbolt.Bucket { return r.tx.Bucket(jobsBucket) }

// value returns the value at k. It aliases the file: copy what is to outlive the
// transaction.
func (r reading) value(k key) []byte {
	var buf [keyLen]byte
	return r.log.Get(k.appendTo(buf[:0]))
}

// record returns the record at k, whose parts alias the file.
func (r reading) record(k key) (record, error) {
	v := r.value(k)
	if v == nil {
		return record{}, corruptAt(k, "missing")
	}
	rec, err := parseRecord(k, v)
	if err != nil {
		return record{}, corruptAt(k, "%v", err)
	}
	return rec, nil
}

// A logged record is one as it stands in the log. It aliases the file.
type logged struct {
	key     key
	value   []byte
	damaged bool // the record has no parts
	record
}

// size is how many bytes the record takes in the file, key included.
func (l *logged) size() int { return keyLen + len(l.value) }

// records yields what the log holds from the key from on, in order: a page that has
// become another since the file was opened does not take its reader back. After an error
// nothing follows.
func (r reading) records(from key) iter.Seq2[logged, error] {
	return func(yield func(logged, error) bool) {
		var buf [keyLen]byte
		c := r.log.Cursor()
		least := from
		for k, v := c.Seek(from.appendTo(buf[:0])); k != nil; k, v = c.Next() {
			if len(k) != keyLen || least.after(parseKey(k)) {
				yield(logged{}, corruptAt(least, "followed by key %x", k))
				return
			}
			at := parseKey(k)
			least = at.next()
			rec, err := parseRecord(at, v)
			damaged := err == errDamaged
			if damaged {
				err = nil
			} else if err != nil {
				err = corruptAt(at, "%v", err)
			}
			if !yield(logged{at, v, damaged, rec}, err) || err != nil {
				return
			}
		}
	}
}

// readingOf returns what reads in tx. A file without them was refused by Open.
func readingOf(tx *bbolt.Tx) reading {
	return reading{tx, tx.Bucket(logBucket)}
}

// view runs fn in a short read transaction. A panic, or a fault of the mapped
// memory, while it reads a damaged page comes back as ErrCorrupt.
func (f *file) view(fn func(reading) error) error {
	for {
		db := f.db.Load()
		err := f.viewIn(db, fn)
		if err == nil || !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return err
		}
		if f.db.Load() == db {
			return ErrClosed
		}
	}
}

// viewIn is bbolt's View, without its closures: each would be an allocation in every
// read.
func (f *file) viewIn(db *database, fn func(reading) error) (err error) {
	defer contain(f.path, catchFaults(), &err)
	tx, err := db.Begin(false)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return fn(readingOf(tx))
}

// catchFaults has a fault of the mapped memory be a panic of this goroutine, and returns
// whether it was one before. Its result is for contain, which takes that back.
func catchFaults() (was bool) { return debug.SetPanicOnFault(true) }

// contain, which is to be deferred, turns what bbolt does on damaged pages into an error:
// it indexes out of range, follows page numbers out of the mapping, and panics on purpose.
func contain(path string, was bool, err *error) {
	debug.SetPanicOnFault(was)
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s: %v", ErrCorrupt, path, p)
	}
}

// size returns the size of the file in bytes, or 0 if that cannot be found out.
func (f *file) size() int64 {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0
	}
	return info.Size()
}
