package boltfile

import (
	"hash/crc32"
	"slices"
)

// Two meta pages are two states of the database: the newest, and the one before the
// last transaction. bbolt writes no page that either leads to before the next
// transaction is written, so where the newest turns out not to be whole, the one before
// is, provided that no transaction has begun to be written after the newest. Whoever
// syncs a transaction before the next one begins may therefore sync its pages and its
// meta page together, if it verifies what it reads, as this package and its caller do;
// see store/design/0009.

// Before returns the file as it was before the last transaction, or nil if the other
// meta page does not lead there.
func (f *File) Before() *File {
	if f.before == nil {
		return nil
	}
	return &File{f: f.f, meta: *f.before, seen: newBitmap(f.before.highest)}
}

// Reinstate has the file, which Before returned, be the newest one for good: its meta
// page takes the place of the other one too, and is synced. Errors are of writing.
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

// Secure writes again what the last transaction wrote, with its own bytes, and syncs
// it. It is to be called when everything has been walked. Errors are of reading and
// writing, or *Damage if a page is no longer what was walked: the page cache has dropped
// what the disk never had, and opening the file again finds that.
//
// If an earlier process failed in the sync of that transaction, the page cache holds
// what the disk does not, and no later sync brings it there. Going on from such pages
// would lose what is acknowledged later in a power cut (design/0005).
func (f *File) Secure() error {
	written, err := f.written()
	if err != nil {
		return err
	}
	for _, id := range written {
		p, err := f.page(id)
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

// sumOf is a checksum of a page with its overflow.
func sumOf(p *page) uint32 { return crc32.Checksum(p.bytes, castagnoli) }

// writeMeta writes the meta page again, and syncs the file.
func (f *File) writeMeta() error {
	if _, err := f.f.WriteAt(f.meta.bytes, f.meta.at); err != nil {
		return err
	}
	return f.f.Sync()
}

// written returns the pages that the last transaction wrote and that need to be
// written again: those that the newest state has and the one before has not.
//
// There are none if that one is not to be had, for then the newest was synced: another
// transaction has begun to be written over the one before, or over its meta page. Nor
// are there any if there is a freelist, with which bbolt syncs the pages before it
// writes the meta page that leads to them. Errors are *Damage.
func (f *File) written() (pages []uint64, err error) {
	if f.sums == nil {
		return nil, nil
	}
	before := f.Before()
	both := make(map[uint64]bool) // pages that both have, with all that is below them
	followed := before.reach(func(id uint64) bool {
		both[id] = f.seen.has(id)
		return !both[id]
	})
	if !followed {
		return nil, nil
	}
	var last uint64
	followed = f.reach(func(id uint64) bool {
		last = id
		if !both[id] {
			pages = append(pages, id)
		}
		return !both[id]
	})
	if !followed {
		return nil, damage(last, changed)
	}
	return pages, nil
}

// A reach is a way through all pages of a file that verifies no more than that it
// comes to an end.
type reach struct {
	*File
	met map[uint64]bool
	at  func(id uint64) (below bool)
}

// reach calls at with the number of every page that the meta page leads to, and goes
// on below a page if that returns true. It reports whether it could follow all of
// them.
func (f *File) reach(at func(id uint64) (below bool)) bool {
	r := reach{f, make(map[uint64]bool), at}
	return r.bucket(f.meta.root, 0)
}

func (r *reach) bucket(header []byte, depth int) bool {
	if len(header) < bucketHeader {
		return false
	}
	root := le.Uint64(header)
	return root == 0 || r.tree(root, depth)
}

func (r *reach) tree(id uint64, depth int) bool {
	if id < firstPage || id >= r.meta.highest || r.met[id] || depth > 2*mostDepth {
		return false
	}
	r.met[id] = true
	if !r.at(id) {
		return true
	}
	p, err := r.page(id)
	if err != nil || !p.whole() {
		return false
	}
	for i := range p.count {
		if !r.element(&p, i, depth+1) {
			return false
		}
	}
	return true
}

func (r *reach) element(p *page, i, depth int) bool {
	switch p.kind {
	case branchPage:
		_, child, ok := p.branch(i)
		return ok && r.tree(child, depth)
	case leafPage:
		_, v, bucket, ok := p.leaf(i)
		return ok && (!bucket || r.bucket(v, depth))
	}
	return false
}

// page reads one page with its overflow, by itself.
func (f *File) page(id uint64) (page, error) {
	ahead := readahead{f: f.f, meta: &f.meta}
	return ahead.page(id)
}
