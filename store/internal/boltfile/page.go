package boltfile

const (
	// A page's header is its number (8 bytes), its kind (2), how many elements it
	// has (2), and how many pages follow that belong to it (4).
	pageHeader = 16

	// An element's header is, in a branch, where the key is, counted from the
	// element (4 bytes), the key's length (4) and the child's number (8); in a leaf
	// flags (4), where the key is (4), its length (4) and that of the value behind
	// it (4).
	elementHeader = 16

	// A bucket's header is the number of its root page, or 0 for one whose only page
	// follows the header, and a sequence number.
	bucketHeader = 16
)

// kind is what a page says that it is.
type kind uint16

const (
	branchPage   kind = 0x01
	leafPage     kind = 0x02
	freelistPage kind = 0x10
)

// bucketElement is the flag of a leaf's element whose value is a bucket.
const bucketElement = 0x01

// A page is one page with its overflow, or the page that a bucket holds inline.
type page struct {
	id    uint64 // 0 for an inline page
	kind  kind
	count int
	bytes []byte
}

// parsePage reads the header of a page of at least pageHeader bytes.
func parsePage(id uint64, b []byte) page {
	return page{id: id, kind: kind(le.Uint16(b[8:])), count: int(le.Uint16(b[10:])), bytes: b}
}

// whole reports whether the headers of all elements lie within the page.
func (p *page) whole() bool { return pageHeader+p.count*elementHeader <= len(p.bytes) }

// element returns the header of the element i and what follows it.
func (p *page) element(i int) []byte { return p.bytes[pageHeader+i*elementHeader:] }

// branch returns the key and the child of the element i, or false if they do not
// lie within the page.
func (p *page) branch(i int) (k []byte, child uint64, ok bool) {
	e := p.element(i)
	at, n := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:]))
	if at+n > uint64(len(e)) {
		return nil, 0, false
	}
	return e[at : at+n], le.Uint64(e[8:]), true
}

// leaf returns the key and the value of the element i, and whether that is a
// bucket, or false if they do not lie within the page.
func (p *page) leaf(i int) (k, v []byte, bucket, ok bool) {
	e := p.element(i)
	at, n, size := uint64(le.Uint32(e[4:])), uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
	if at+n+size > uint64(len(e)) {
		return nil, nil, false, false
	}
	return e[at : at+n : at+n], e[at+n : at+n+size : at+n+size], le.Uint32(e)&bucketElement != 0, true
}
