package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The file is one bbolt database with three buckets:
//
//	meta  format version, the last index, and what a restore or a compaction leaves
//	log   every record under its key; see key.go and record.go
//	jobs  every distinct job under its hash; see job.go
var (
	metaBucket = []byte("meta")
	logBucket  = []byte("log")
	jobsBucket = []byte("jobs")
)

// A file is the open database. No transaction leaves its methods: a read
// transaction that is held keeps bbolt from reusing pages and from mapping a
// grown file (RELIABILITY: 0.4 MB of data became 16 GB).
type file struct {
	path string
	db   atomic.Pointer[bbolt.DB] // replaced when the file is rewritten
}

func newFile(path string, db *bbolt.DB) *file {
	f := &file{path: path}
	f.db.Store(db)
	return f
}

// begin begins a write transaction.
func (f *file) begin() (*bbolt.Tx, error) { return f.db.Load().Begin(true) }

// close closes the database, and waits for reads that are under way.
func (f *file) close() error { return f.db.Load().Close() }

// settle leaves in the file what makes the next opening faster: the list of free
// pages, which commits leave out, and how many IDs there are.
func (f *file) settle(ids int) error {
	db := f.db.Load()
	db.NoFreelistSync = false
	return db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(metaBucket).Put(idsKey, binary.BigEndian.AppendUint64(nil, uint64(ids)))
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

// readingOf returns what reads in tx. A file without them was refused by Open.
func readingOf(tx *bbolt.Tx) reading {
	return reading{tx, tx.Bucket(logBucket)}
}

// view runs fn in a short read transaction. A panic, or a fault of the mapped
// memory, while it reads a damaged page comes back as ErrCorrupt.
func (f *file) view(fn func(reading) error) (err error) {
	defer contain(f.path, &err)()
	for {
		db := f.db.Load()
		err = db.View(func(tx *bbolt.Tx) error { return fn(readingOf(tx)) })
		if !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return err
		}
		if f.db.Load() == db {
			return ErrClosed
		}
	}
}

// contain turns what bbolt does on damaged pages into an error: it indexes out of
// range, follows page numbers out of the mapping, and panics on purpose.
func contain(path string, err *error) (done func()) {
	was := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(was)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: %s: %v", ErrCorrupt, path, p)
		}
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
