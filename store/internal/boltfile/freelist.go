package boltfile

import "fmt"

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
