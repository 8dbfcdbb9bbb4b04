package boltfile

import (
	"fmt"
	"os"
)

// File is a database that is read by plain reads. Nobody may write to it
// meanwhile, unless a transaction is open that reads what Transaction left. Its
// methods are for one goroutine at a time.
type File struct {
	f      *os.File
	meta   meta
	before *meta  // of the transaction before, if its meta page is valid
	seen   bitmap // the pages that something has referred to

	// sums are the checksums of the pages that were walked, by their numbers. They are nil
	// where Secure has no page to write again; see written.
	sums []uint32
}

// A Bucket is where a bucket's content is.
type Bucket struct{ header []byte } // and the inline page, if it is that small

// Open reads the newest meta page of f, which stays the caller's. Errors are
// *Damage, or what reading returned. If there is a [File.Before], damage to the meta page
// or to the length of the file is an error of Buckets.
func Open(f *os.File) (*File, error) {
	m, before, err := newestMeta(f)
	if err != nil {
		return nil, err
	}
	file := &File{f: f, meta: m, before: before}
	if m.fault == nil {
		file.seen = newBitmap(m.highest)
		if before != nil && !file.HasFreelist() {
			file.sums = make([]uint32, m.highest)
		}
	}
	return file, nil
}

// Size returns how many bytes the pages in use take, free ones in between included.
func (f *File) Size() int64 { return int64(f.meta.highest) * int64(f.meta.pageSize) }

// Transaction returns the number of the transaction that left the file as it is read.
func (f *File) Transaction() uint64 { return f.meta.txid }

// LostMeta reports whether one of the two meta pages is not valid, which is what a power
// cut in the middle of a commit leaves. The other one is what the file is read by.
func (f *File) LostMeta() bool { return f.meta.alone }

// Buckets returns the buckets of the database by name.
func (f *File) Buckets() (map[string]Bucket, error) {
	if f.meta.fault != nil {
		return nil, f.meta.fault
	}
	all := make(map[string]Bucket)
	w := f.walk(nil)
	err := w.bucket(f.meta.root, func(k, v []byte, bucket bool) error {
		if !bucket {
			return damage(0, "key %q beside the buckets", k)
		}
		all[string(k)] = Bucket{append([]byte(nil), v...)}
		return nil
	})
	return all, err
}

// Walk visits every key of b with its value, in order, and verifies the pages on
// the way. Both alias a buffer and must not be changed. A bucket within the bucket
// is damage.
//
// They are good until the visit returns; or if turn is not nil, until it has been
// called, which it is before each read, and with it all that was visited since the
// last time: it returns the buffer to use next. An error of either ends the walk
// and is returned. Each page may be walked once in the life of a File.
func (f *File) Walk(b Bucket, visit func(k, v []byte) error, turn func(used []byte) ([]byte, error)) error {
	w := f.walk(turn)
	return w.bucket(b.header, func(k, v []byte, bucket bool) error {
		if bucket {
			return damage(0, "bucket %q within a bucket", k)
		}
		return visit(k, v)
	})
}

// HasFreelist reports whether the file holds a list of its free pages: opening one
// that does not takes bbolt a walk over all pages.
func (f *File) HasFreelist() bool { return f.meta.freelist != noFreelist }

// Freelist verifies the list of free pages, if there is one, after all buckets
// have been walked.
func (f *File) Freelist() error {
	if !f.HasFreelist() {
		return nil
	}
	w := f.walk(nil)
	p, err := w.claim(f.meta.freelist)
	if err != nil {
		return fmt.Errorf("freelist: %w", err)
	}
	if p.kind != freelistPage {
		return damage(p.id, "kind %#x where the freelist was expected", uint16(p.kind))
	}
	ids, n := p.bytes[pageHeader:], uint64(p.count)
	if n == 0xFFFF { // then the first number is the count
		n, ids = le.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return damage(p.id, "%d free pages in %d bytes", n, len(ids))
	}
	for i := range n {
		id := le.Uint64(ids[8*i:])
		if id < firstPage || id >= f.meta.highest {
			return damage(p.id, "free page %d of %d pages", id, f.meta.highest)
		}
		if !f.seen.set(id) {
			return damage(p.id, "page %d is free and in use, or free twice", id)
		}
	}
	return nil
}
