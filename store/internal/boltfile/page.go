package boltfile

import "bytes"

const (
	// A page's header is its number (8 bytes), its kind (2), its number of elements (2), and
	// the number of overflow pages that follow (4).
	pageHeader = 16

	// An element's header is, in a branch, the key's position, counted from the header
	// (4 bytes), the key's length (4) and the child's number (8); in a leaf, flags (4), the
	// key's position (4), its length (4) and the length of the value behind it (4).
	elementHeader = 16

	// A bucket's header is the number of its root page and a sequence number. The number 0 is
	// for a bucket whose only page follows the header.
	bucketHeader = 16
)

// kind is the kind of a page, by its header.
type kind uint16

const (
	branchPage   kind = 0x01
	leafPage     kind = 0x02
	freelistPage kind = 0x10
)

// bucketElement is the flag of a leaf's element whose value is a bucket. There is no other
// flag.
const bucketElement = 0x01

// maxElement is the largest distance that bbolt can reach from an element's header.
const maxElement = 1<<31 - 1

// A page is one page with its overflow, or a bucket's inline page.
type page struct {
	id    uint64 // 0 for an inline page
	kind  kind
	count int
	bytes []byte

	// end is the end of the keys and values read so far.
	end int
}

// parsePage reads the header of a page of at least pageHeader bytes.
func parsePage(b []byte) page {
	count := int(le.Uint16(b[10:]))
	return page{id: le.Uint64(b), kind: kind(le.Uint16(b[8:])), count: count, bytes: b, end: pageHeader + count*elementHeader}
}

// overflow returns the number of overflow pages of a page with that header.
func overflow(b []byte) uint64 { return uint64(le.Uint32(b[12:])) }

// whole reports whether the headers of all elements lie within the page.
func (p *page) whole() bool { return p.end <= len(p.bytes) }

// branch returns the key and the child of the element i. Elements are read in their order,
// each once. ok is false for an element that bbolt would not write.
func (p *page) branch(i int) (k []byte, child uint64, ok bool) {
	e := p.bytes[pageHeader+i*elementHeader:]
	k, ok = p.data(i, le.Uint32(e), uint64(le.Uint32(e[4:])))
	return k, le.Uint64(e[8:]), ok && len(k) > 0
}

// leaf returns the key and the value of the element i, and whether the value is a bucket. See
// branch.
func (p *page) leaf(i int) (k, v []byte, bucket, ok bool) {
	e := p.bytes[pageHeader+i*elementHeader:]
	flags, n := le.Uint32(e), uint64(le.Uint32(e[8:]))
	kv, ok := p.data(i, le.Uint32(e[4:]), n+uint64(le.Uint32(e[12:])))
	if !ok || n == 0 || n > uint64(len(kv)) || flags&^bucketElement != 0 {
		return nil, nil, false, false
	}
	return kv[:n:n], kv[n:], flags != 0, true
}

// data returns the n bytes of the element i, and whether they are at the position in its
// header. bbolt writes the bytes of all elements one after the other, without a gap. So a
// wrong count is found too, and no two elements share bytes: bbolt could need any amount of
// memory to write such a page again.
func (p *page) data(i int, at uint32, n uint64) ([]byte, bool) {
	if uint64(pageHeader+i*elementHeader)+uint64(at) != uint64(p.end) ||
		n > uint64(len(p.bytes)-p.end) || uint64(at)+n > maxElement {
		return nil, false
	}
	from := p.end
	p.end += int(n)
	return p.bytes[from:p.end:p.end], true
}

// visit visits the elements of a leaf, which must be in order and within the span.
func (p *page) visit(s span, visit func(k, v []byte, bucket bool) error) error {
	if p.count == 0 && !s.root() {
		return damage(p.id, "a leaf without elements")
	}
	var last []byte
	for i := range p.count {
		k, v, bucket, ok := p.leaf(i)
		if !ok || i == 0 && !s.begins(k) || i > 0 && bytes.Compare(last, k) >= 0 || i == p.count-1 && !s.ends(k) {
			return damage(p.id, "element %d of %d is out of place", i, p.count)
		}
		if err := visit(k, v, bucket); err != nil {
			return err
		}
		last = k
	}
	return nil
}
