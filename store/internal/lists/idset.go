package lists

import (
	"slices"

	"allocstore/schema"
)

// An idset is an ordered set of IDs: a sorted list of sorted chunks, a B+tree of one
// level. An insertion moves at most some 4 kB. A walk reads 16 bytes an ID. The zero value
// is empty.
type idset struct {
	// Invariant: no chunk is empty; IDs ascend within a chunk and from one chunk to the
	// next; no chunk is longer than maxChunk.
	chunks []chunk
}

// A chunk has its lowest and its highest ID beside it, so that a search for a chunk stays in one
// piece of memory, and a search in the chunk knows where to begin.
type chunk struct {
	first, last schema.ID // Invariant: the first and the last of ids
	ids         []schema.ID
}

const maxChunk = 256

// chunkOf returns the index of the only chunk that id can be in.
func (s *idset) chunkOf(id schema.ID) int {
	last := len(s.chunks) - 1
	switch {
	case id.Compare(s.chunks[last].first) >= 0:
		return last
	case id.Compare(s.chunks[0].first) < 0:
		return 0
	}
	first := func(i int) *schema.ID { return &s.chunks[i].first }
	at := search(last, first, &s.chunks[0].first, &s.chunks[last].first, &id)
	if s.chunks[at].first != id {
		at--
	}
	return at
}

// search returns the position in the chunk where id is or belongs.
func (c *chunk) search(id schema.ID) (at int, found bool) {
	switch {
	case id.Compare(c.last) > 0:
		return len(c.ids), false
	case id.Compare(c.first) <= 0:
		return 0, id == c.first
	}
	at = search(len(c.ids)-1, func(i int) *schema.ID { return &c.ids[i] }, &c.first, &c.last, &id)
	return at, c.ids[at] == id
}

// set makes ids the content of the chunk.
func (c *chunk) set(ids []schema.ID) { c.first, c.last, c.ids = ids[0], ids[len(ids)-1], ids }

// add inserts id.
func (s *idset) add(id schema.ID) {
	if len(s.chunks) == 0 {
		s.chunks = []chunk{{id, id, []schema.ID{id}}}
		return
	}
	c, at, found := s.find(id)
	if found {
		return
	}
	if len(s.chunks[c].ids) == maxChunk {
		c, at = s.split(c, at)
	}
	s.chunks[c].set(slices.Insert(s.chunks[c].ids, at, id))
}

// find returns the chunk of id, and the position where id is or belongs.
func (s *idset) find(id schema.ID) (c, at int, found bool) {
	c = s.chunkOf(id)
	at, found = s.chunks[c].search(id)
	return c, at, found
}

// split splits the full chunk c to make room at position at, and returns the new chunk and
// position. The last chunk stays full if the ID belongs behind it, so IDs that arrive in
// order leave full chunks.
func (s *idset) split(c, at int) (int, int) {
	half := maxChunk / 2
	if c == len(s.chunks)-1 && at == maxChunk {
		s.chunks = append(s.chunks, chunk{})
		return c + 1, 0
	}
	var upper chunk
	upper.set(slices.Clone(s.chunks[c].ids[half:]))
	s.chunks[c].set(s.chunks[c].ids[:half])
	s.chunks = slices.Insert(s.chunks, c+1, upper)
	if at > half {
		return c + 1, at - half
	}
	return c, at
}

// newIDSet returns an empty set with room for n IDs, to be filled by append.
func newIDSet(n int) idset {
	s := idset{chunks: make([]chunk, (n+maxChunk-1)/maxChunk)}
	for i := range s.chunks {
		s.chunks[i].ids = make([]schema.ID, 0, min(n-i*maxChunk, maxChunk))
	}
	s.chunks = s.chunks[:0]
	return s
}

// append adds id, which is above all others, to a set from newIDSet.
func (s *idset) append(id schema.ID) {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1].ids) == maxChunk {
		s.chunks = s.chunks[:n+1]
		n++
	}
	s.chunks[n-1].set(append(s.chunks[n-1].ids, id))
}

// remove removes id.
func (s *idset) remove(id schema.ID) {
	if len(s.chunks) == 0 {
		return
	}
	c, at, found := s.find(id)
	if !found {
		return
	}
	if len(s.chunks[c].ids) == 1 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
		return
	}
	s.chunks[c].set(slices.Delete(s.chunks[c].ids, at, at+1))
}

func (s *idset) empty() bool { return len(s.chunks) == 0 }

// count returns the number of IDs in a range.
func (s *idset) count(r Range) (n int) {
	if s.empty() {
		return 0
	}
	first, last := s.chunkOf(r.Low), s.chunkOf(r.High)
	for _, c := range s.chunks[first : last+1] {
		n += len(c.ids)
	}
	before, _ := s.chunks[first].search(r.Low)
	after, found := s.chunks[last].search(r.High)
	if found {
		after++
	}
	return n - before - (len(s.chunks[last].ids) - after)
}

// has reports whether id is in the set.
func (s *idset) has(id schema.ID) bool {
	if s.empty() {
		return false
	}
	_, _, found := s.find(id)
	return found
}

// page appends to buf, up to its capacity, the IDs of a range in order.
func (s *idset) page(buf []schema.ID, r Range) []schema.ID {
	if s.empty() {
		return buf
	}
	first := s.chunkOf(r.Low)
	at, _ := s.chunks[first].search(r.Low)
	for i := first; i < len(s.chunks) && len(buf) < cap(buf); i++ {
		c := &s.chunks[i]
		ids := c.ids[at:]
		ids = ids[:min(len(ids), cap(buf)-len(buf))]
		if c.last.Compare(r.High) > 0 {
			for k := 0; k < len(ids) && ids[k].Compare(r.High) <= 0; k++ {
				buf = append(buf, ids[k])
			}
			return buf
		}
		buf, at = append(buf, ids...), 0
	}
	return buf
}

// A Range is the IDs from Low to High, both included.
type Range struct{ Low, High schema.ID }

// All returns the range of all IDs.
func All() Range {
	var r Range
	for i := range r.High {
		r.High[i] = 0xff
	}
	return r
}

// advance makes r the range above last, and reports whether an ID can be in it.
func (r *Range) advance(last schema.ID) bool {
	for i := len(last) - 1; i >= 0; i-- {
		last[i]++
		if last[i] != 0 {
			r.Low = last
			return r.Low.Compare(r.High) <= 0
		}
	}
	return false
}

// Has reports whether id is in the range.
func (r *Range) Has(id schema.ID) bool {
	return r.Low.Compare(id) <= 0 && id.Compare(r.High) <= 0
}
