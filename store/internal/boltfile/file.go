package boltfile

import "os"

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

	// into decides whether a walk goes into a page of a tree. Nil stands for all pages.
	into func(id uint64) bool
}

// Newest returns the newest state of the database in f, which stays the caller's. It reads the
// meta pages. An error is a *Damage, or comes from reading. If there is a [File.Before],
// damage to the newest meta page or to the length of the file is an error of Buckets instead.
func Newest(f *os.File) (*File, error) {
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

// HasFreelist reports whether the file has a list of its free pages. Without one, bbolt walks
// over all pages when it opens the file.
func (f *File) HasFreelist() bool { return f.meta.freelist != noFreelist }
