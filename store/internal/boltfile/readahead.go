package boltfile

import "os"

// A readahead reads pages into a buffer, several at once if the walk goes through the file in
// order.
type readahead struct {
	f    *os.File
	meta *meta

	buf   []byte
	first uint64 // the number of the first page in buf
	ahead int    // the number of pages of the last read

	// turn, if set, is called before each read with the used buffer, and returns the buffer
	// to read into.
	turn func(used []byte) ([]byte, error)
}

// maxAhead is the largest number of pages in a read, unless a page has more overflow: so many
// that a read costs little more than the copying.
const maxAhead = 64

// end returns the number of the page after the last one in the buffer.
func (r *readahead) end() uint64 { return r.first + uint64(len(r.buf)/r.meta.pageSize) }

// page returns the page of that number, which is within the file. It aliases the
// buffer.
func (r *readahead) page(id uint64) (page, error) {
	if id < r.first || id >= r.end() {
		if err := r.read(id, 1); err != nil {
			return page{}, err
		}
	}
	pages := 1 + overflow(r.from(id))
	if pages > r.meta.highest-id {
		return page{}, damage(id, "its %d pages end beyond the last page, %d", pages, r.meta.highest-1)
	}
	if id+pages > r.end() {
		if err := r.read(id, pages); err != nil {
			return page{}, err
		}
	}
	p := parsePage(r.from(id)[:pages*uint64(r.meta.pageSize)])
	if p.id != id {
		return page{}, damage(id, "it says that it is page %d", p.id)
	}
	return p, nil
}

// from returns the buffer from that page on.
func (r *readahead) from(id uint64) []byte { return r.buf[int(id-r.first)*r.meta.pageSize:] }

// read fills the buffer from the page id on, with at least so many pages.
func (r *readahead) read(id, least uint64) error {
	if near := id - r.end(); near < maxAhead { // not if id is before the end
		r.ahead = min(2*r.ahead, maxAhead)
	} else {
		r.ahead = 1
	}
	pages := min(max(uint64(r.ahead), least), r.meta.highest-id)
	if r.turn != nil {
		buf, err := r.turn(r.buf)
		if err != nil {
			return err
		}
		r.buf = buf
	}
	if size := int(pages) * r.meta.pageSize; cap(r.buf) < size {
		r.buf = make([]byte, size)
	} else {
		r.buf = r.buf[:size]
	}
	r.first = id
	if n, err := r.f.ReadAt(r.buf, int64(id)*int64(r.meta.pageSize)); err != nil && n < len(r.buf) {
		r.buf = r.buf[:0]
		return err
	}
	return nil
}
