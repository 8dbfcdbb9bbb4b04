package boltfile

import (
	"hash/crc32"
	"slices"
)

// Two meta pages are two states of the database: the newest, and the one before the last
// transaction. Until the next transaction is written, bbolt overwrites no page of either.
// So if the newest state turns out to be incomplete, the one before is complete, provided
// that no later transaction has begun to be written. A writer that syncs each transaction
// before the next one begins may therefore sync its pages and its meta page together, if
// readers verify the file, as this package and its caller do; see store/design/0009.

// Before returns the file's state before the last transaction, or nil if the other meta page
// is not that state's.
func (f *File) Before() *File {
	if f.before == nil {
		return nil
	}
	return &File{f: f.f, meta: *f.before, seen: newBitmap(f.before.highest)}
}

// Reinstate makes f, which Before returned, the newest state: its meta page is also written in
// place of the newer one, and synced. Errors come from writing.
func (f *File) Reinstate() error {
	size := int64(f.meta.pageSize)
	at := size - f.meta.at // of the other: they are the first two pages
	other := slices.Clone(f.meta.bytes)
	le.PutUint64(other, uint64(at/size)) // the page's own number
	if _, err := f.f.WriteAt(other, at); err != nil {
		return err
	}
	return f.writeMeta()
}

// Secure writes the pages of the last transaction again, with the same bytes, and syncs them.
// Call it after all buckets have been walked. Errors come from reading and writing, or are
// *Damage if a page has changed since the walk: then the page cache has dropped a page that
// the disk never had, and opening the file again finds that.
//
// If an earlier process failed in the sync of that transaction, the page cache has pages that
// the disk does not have, and no later sync writes them. Building on such pages would lose
// acknowledged batches in a power cut (design/0005).
func (f *File) Secure() error {
	written, err := f.written()
	if err != nil {
		return err
	}
	for _, id := range written {
		p, err := f.walk(nil).ahead.page(id)
		if err != nil {
			return err
		}
		if sumOf(&p) != f.sums[id] {
			return damage(id, changed)
		}
		if _, err := f.f.WriteAt(p.bytes, int64(id)*int64(f.meta.pageSize)); err != nil {
			return err
		}
	}
	return f.writeMeta()
}

const changed = "no longer what was verified"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf returns a checksum of a page with its overflow.
func sumOf(p *page) uint32 { return crc32.Checksum(p.bytes, castagnoli) }

// writeMeta writes the meta page again, and syncs the file.
func (f *File) writeMeta() error {
	if _, err := f.f.WriteAt(f.meta.bytes, f.meta.at); err != nil {
		return err
	}
	return f.f.Sync()
}

// written returns the pages of the last transaction that must be written again: those of the
// newest state that the state before does not have. Errors are *Damage.
//
// It returns no pages if the state before is lost: a later transaction has begun to overwrite
// it or its meta page, so the newest state was synced. It returns no pages either if there is
// a freelist: with one, bbolt syncs the pages before it writes the meta page.
func (f *File) written() (pages []uint64, err error) {
	if f.sums == nil {
		return nil, nil
	}
	both := make(map[uint64]bool) // pages of both states, with all pages below them
	err = f.Before().traverse(func(id uint64) bool {
		both[id] = f.seen.has(id)
		return !both[id]
	})
	if err != nil {
		return nil, nil
	}
	var last uint64
	err = f.traverse(func(id uint64) bool {
		last = id
		if !both[id] {
			pages = append(pages, id)
		}
		return !both[id]
	})
	if err != nil {
		return nil, damage(last, changed)
	}
	return pages, nil
}

// traverse verifies the pages from the root on. It calls into with the number of each page first,
// and leaves out the page and all pages below it if into returns false.
func (f *File) traverse(into func(id uint64) bool) error {
	again := &File{f: f.f, meta: f.meta, seen: newBitmap(f.meta.highest), into: into}
	all, err := again.Buckets()
	for _, b := range all {
		if err == nil {
			err = again.Walk(b, func(_, _ []byte) error { return nil }, nil)
		}
	}
	return err
}
