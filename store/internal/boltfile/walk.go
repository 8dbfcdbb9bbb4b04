package boltfile

import "bytes"

const (
	// firstPage is the first page after the two meta pages.
	firstPage = 2

	// minChildren is the smallest number of children of a branch: bbolt never leaves fewer, and
	// panics if it meets fewer.
	minChildren = 2

	// maxDepth bounds a tree: one of this depth has more leaves than a file has pages.
	maxDepth = 48
)

// A Bucket locates a bucket's content.
type Bucket struct{ header []byte } // with the inline page, if the bucket is that small

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

// A walk goes through the tree of a bucket in the order of its keys.
type walk struct {
	file  *File
	ahead readahead
	visit func(k, v []byte, bucket bool) error
}

func (f *File) walk(turn func([]byte) ([]byte, error)) *walk {
	return &walk{file: f, ahead: readahead{f: f.f, meta: &f.meta, turn: turn}}
}

// claim returns the page of that number, and notes its use. A page used twice is damage.
func (w *walk) claim(id uint64) (page, error) {
	if id < firstPage || id >= w.file.meta.highest {
		return page{}, damage(id, "not within the %d pages of the file", w.file.meta.highest)
	}
	p, err := w.ahead.page(id)
	if err != nil {
		return page{}, err
	}
	for i := range uint64(len(p.bytes) / w.file.meta.pageSize) {
		if !w.file.seen.set(id + i) {
			return page{}, damage(id+i, "in two places")
		}
	}
	if w.file.sums != nil {
		w.file.sums[id] = sumOf(&p)
	}
	return p, nil
}

// bucket walks the bucket with that header.
func (w *walk) bucket(header []byte, visit func(k, v []byte, bucket bool) error) error {
	w.visit = visit
	if len(header) < bucketHeader {
		return damage(0, "bucket with a header of %d bytes", len(header))
	}
	if root := le.Uint64(header); root != 0 {
		return w.tree(root, span{}, 0)
	}
	inline := header[bucketHeader:]
	if len(inline) < pageHeader {
		return damage(0, "inline bucket of %d bytes", len(inline))
	}
	p := parsePage(inline)
	// An inline page has no number: bbolt would free the page of that number.
	if p.kind != leafPage || !p.whole() || p.id != 0 || overflow(inline) != 0 {
		return damage(0, "inline page %d of kind %#x with %d elements in %d bytes", p.id, uint16(p.kind), p.count, len(inline))
	}
	return p.visit(span{}, w.visit)
}

// tree walks the page and all pages below it.
func (w *walk) tree(id uint64, s span, depth int) error {
	if w.file.into != nil && !w.file.into(id) {
		return nil
	}
	p, err := w.claim(id)
	if err != nil {
		return err
	}
	switch {
	case p.kind != branchPage && p.kind != leafPage:
		return damage(id, "kind %#x within a tree", uint16(p.kind))
	case !p.whole():
		return damage(id, "%d elements in %d bytes", p.count, len(p.bytes))
	case p.kind == leafPage:
		return p.visit(s, w.visit)
	case p.count < minChildren:
		return damage(id, "a branch with %d children", p.count)
	case depth == maxDepth:
		return damage(id, "deeper than any tree can be")
	}
	p.bytes = bytes.Clone(p.bytes) // the buffer is for the pages below
	return w.branch(&p, s, depth)
}

// branch walks the children of p.
func (w *walk) branch(p *page, s span, depth int) error {
	k, child, ok := p.branch(0)
	ok = ok && s.begins(k)
	for i := range p.count {
		below := span{k, s.to}
		var next []byte
		var sibling uint64
		if last := i == p.count-1; last {
			ok = ok && s.ends(k)
		} else if ok {
			next, sibling, ok = p.branch(i + 1)
			ok = ok && bytes.Compare(k, next) < 0
			below.to = next
		}
		if !ok {
			return damage(p.id, "element %d of %d is out of place", i, p.count)
		}
		if err := w.tree(child, below, depth+1); err != nil {
			return err
		}
		k, child = next, sibling
	}
	return nil
}
