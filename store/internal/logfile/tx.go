package logfile

import (
	"bytes"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store/internal/record"
)

// The file is one bbolt database with three buckets:
//
//	meta  the manifest: format version, last index, content sum, marks
//	log   every record under its key
//	jobs  every distinct job under its hash
var (
	metaBucket = []byte("meta")
	logBucket  = []byte("log")
	jobsBucket = []byte("jobs")
)

// A Tx is one transaction of a file. It is valid within the function that was given it.
// All bytes and records it returns alias the mapped file, and are valid as long as the Tx.
// Only the Tx of an update can write.
type Tx struct {
	tx  *bbolt.Tx
	log *bbolt.Bucket        // the others are opened when needed, which costs a search and memory
	key *[record.KeyLen]byte // for Put, which would allocate one for each record
	db  *database            // of Update, for Room
}

func newTx(tx *bbolt.Tx) Tx {
	t := Tx{tx: tx, log: tx.Bucket(logBucket)}
	if tx.Writable() && t.log != nil { // a file being created has no log yet
		t.log.FillPercent = 1 // records arrive at the right edge only
		t.key = new([record.KeyLen]byte)
	}
	return t
}

func (t Tx) meta() *bbolt.Bucket { return t.tx.Bucket(metaBucket) }
func (t Tx) jobs() *bbolt.Bucket { return t.tx.Bucket(jobsBucket) }

// Version returns the record at k. It is ErrCorrupt if the record is missing, damaged, or not one
// of allocation id.
func (t Tx) Version(id schema.ID, k record.Key) (record.Record, error) {
	var buf [record.KeyLen]byte
	v := t.log.Get(k.AppendTo(buf[:0]))
	if v == nil {
		return record.Record{}, record.CorruptAt(k, "missing")
	}
	rec, err := record.Parse(k, v)
	if err != nil {
		return record.Record{}, record.CorruptAt(k, "%v", err)
	}
	if rec.ID != id {
		err = record.CorruptAt(k, "not the record of allocation %v", id)
	}
	return rec, err
}

// An Entry is a record as the log has it.
type Entry struct {
	Key     record.Key
	Value   []byte
	Damaged bool // the record has no parts
	record.Record
}

// ParseEntry reads the record v under the key k, which must not be below the key next. An error
// is an ErrCorrupt with the place. It takes any bytes.
func ParseEntry(k, v []byte, next record.Key) (Entry, error) {
	if len(k) != record.KeyLen || next.After(record.ParseKey(k)) {
		return Entry{}, record.CorruptAt(next, "followed by key %x", k)
	}
	e := Entry{Key: record.ParseKey(k), Value: v}
	var err error
	if e.Record, err = record.Parse(e.Key, v); err == record.ErrDamaged {
		e.Damaged = true
	} else if err != nil {
		return e, record.CorruptAt(e.Key, "%v", err)
	}
	return e, nil
}

// Size returns the bytes that the entry takes in the file, key included.
func (e *Entry) Size() int { return record.KeyLen + len(e.Value) }

// Records yields the entries of the log from a key on. Keys must ascend, so a page that
// changed since the file was opened cannot lead the reader back. After an error the
// sequence ends.
func (t Tx) Records(from record.Key) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var buf [record.KeyLen]byte
		c := t.log.Cursor()
		next := from
		for k, v := c.Seek(from.AppendTo(buf[:0])); k != nil; k, v = c.Next() {
			e, err := ParseEntry(k, v, next)
			if !yield(e, err) || err != nil {
				return
			}
			next = e.Key.Next()
		}
	}
}

// Job returns the encoded job of that hash. With ErrCorrupt it returns the bytes that are
// stored in its place.
func (t Tx) Job(h record.JobHash) ([]byte, error) {
	body := t.jobs().Get(h[:])
	if record.HashJob(record.UnsafeString(body)) != h {
		return body, fmt.Errorf("%w: job %x: %w", record.ErrCorrupt, h, record.ErrDamaged)
	}
	return body, nil
}

// Put writes a record. The value must stay unchanged until the commit.
func (t Tx) Put(k record.Key, value []byte) error {
	return t.log.Put(k.AppendTo(t.key[:0]), value)
}

// PutJob writes a job, and returns the length of the job it replaced, 0 for a new one. The
// body must stay unchanged until the commit.
func (t Tx) PutJob(h record.JobHash, body []byte) (replaced int, err error) {
	jobs := t.jobs()
	replaced = len(jobs.Get(h[:]))
	return replaced, jobs.Put(h[:], body)
}

// A Remover removes records from the log of one Tx.
type Remover struct{ cursor *bbolt.Cursor }

// Remover returns a Remover of the Tx.
func (t Tx) Remover() Remover { return Remover{t.log.Cursor()} }

// Remove removes the record at k, whose number in the content sum must be sum.
func (r Remover) Remove(k record.Key, sum uint64) error {
	var buf [record.KeyLen]byte
	key := k.AppendTo(buf[:0])
	if at, value := r.cursor.Seek(key); !bytes.Equal(at, key) || record.SumNumber(k, value) != sum {
		return record.CorruptAt(k, "not there any more when it was to be removed")
	}
	return r.cursor.Delete()
}
