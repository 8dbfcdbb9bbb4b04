package boltfile

import (
	"fmt"
	"os"
)

// File is a database that is read by plain reads. It must not be written to meanwhile,
// unless a bbolt transaction that reads the state of Transaction stays open. Its methods
// are for one goroutine at a time.
type File struct {
	f      *os.File
	meta   meta
	before *meta  // of the transaction before the last, if its meta page is valid
	seen   bitmap // the pages that were referred to

	// sums are the checksums of the walked pages, by their numbers. They are nil if Secure
	// has no page to write again; see written.
	sums []uint32
}

// A Bucket locates a bucket's content.
type Bucket struct{ header []byte } // with the inline page, if the bucket is that small

// Open reads the newest meta page of f, which stays the caller's. An error is a *Damage, or
// comes from reading. If there is a [File.Before], damage to the newest meta page or to the
// length of the file is an error of Buckets instead.
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

// Size returns the bytes of all pages up to the last one in use, with free ones in between.
func (f *File) Size() int64 { return int64(f.meta.highest) * int64(f.meta.pageSize) }

// Transaction returns the number of the last transaction in the file.
func (f *File) Transaction() uint64 { return f.meta.txid }

// LostMeta reports whether one of the two meta pages is not valid, as after a power cut in
// the middle of a commit. The file is read by the other one.
func (f *File) LostMeta() bool { return f.meta.otherLost }

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

// Walk visits every key of b with its value, in order, and verifies the pages on the way.
// Keys and values alias a buffer and must not be changed. A bucket within the bucket is
// damage.
//
// Without turn they are good until visit returns. With turn they are good until turn gets
// their buffer as used: turn is called before each read, and returns the buffer for it. An
// error of visit or turn ends the walk and is returned. Each page may be walked once in the
// life of a File.
func (f *File) Walk(b Bucket, visit func(k, v []byte) error, turn func(used []byte) ([]byte, error)) error {
	w := f.walk(turn)
	return w.bucket(b.header, func(k, v []byte, bucket bool) error {
		if bucket {
			return damage(0, "bucket %q within a bucket", k)
		}
		return visit(k, v)
	})
}

// HasFreelist reports whether the file has a list of its free pages. Without one, bbolt walks
// over all pages when it opens the file.
func (f *File) HasFreelist() bool { return f.meta.freelist != noFreelist }

// Freelist verifies the list of free pages, if there is one. Call it after all buckets have
// been walked.
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
	if n == 0xFFFF { // the count does not fit: it is the first number
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
