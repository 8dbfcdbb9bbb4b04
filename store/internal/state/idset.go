package state

import (
	"slices"
	"sort"

	"allocstore/schema"
)

// An idset is an ordered set of IDs: a sorted list of sorted chunks, a B+tree of one
// level. An insertion moves at most some 2 kB. A walk reads 16 bytes an ID. The zero value
// is empty.
type idset struct {
	// Invariant: no chunk is empty; IDs ascend within a chunk and from one chunk to the
	// next; no chunk is longer than maxChunk.
	chunks [][]schema.ID
}

const maxChunk = 256

// chunkOf returns the index of the only chunk that id can be in.
func (s *idset) chunkOf(id schema.ID) int {
	after := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i][0].Compare(id) > 0 })
	return max(after-1, 0)
}

// add inserts id.
func (s *idset) add(id schema.ID) {
	if len(s.chunks) == 0 {
		s.chunks = [][]schema.ID{{id}}
		return
	}
	c, at, found := s.find(id)
	if found {
		return
	}
	if len(s.chunks[c]) == maxChunk {
		c, at = s.split(c, at)
	}
	s.chunks[c] = slices.Insert(s.chunks[c], at, id)
}

// find returns the chunk of id, and the position where id is or belongs. IDs that arrive
// in order need no search.
func (s *idset) find(id schema.ID) (c, at int, found bool) {
	c = len(s.chunks) - 1
	if n := len(s.chunks[c]); s.chunks[c][n-1].Compare(id) < 0 {
		return c, n, false
	}
	c = s.chunkOf(id)
	at, found = slices.BinarySearchFunc(s.chunks[c], id, schema.ID.Compare)
	return c, at, found
}

// split splits the full chunk c to make room at position at, and returns the new chunk and
// position. The last chunk stays full if the ID belongs behind it, so IDs that arrive in
// order leave full chunks.
func (s *idset) split(c, at int) (int, int) {
	half := maxChunk / 2
	if c == len(s.chunks)-1 && at == maxChunk {
		s.chunks = append(s.chunks, nil)
		return c + 1, 0
	}
	upper := slices.Clone(s.chunks[c][half:])
	s.chunks[c] = s.chunks[c][:half]
	s.chunks = slices.Insert(s.chunks, c+1, upper)
	if at > half {
		return c + 1, at - half
	}
	return c, at
}

// newIDSet returns an empty set with room for n IDs, to be filled by append.
func newIDSet(n int) idset {
	s := idset{chunks: make([][]schema.ID, (n+maxChunk-1)/maxChunk)}
	for i := range s.chunks {
		s.chunks[i] = make([]schema.ID, 0, min(n-i*maxChunk, maxChunk))
	}
	s.chunks = s.chunks[:0]
	return s
}

// append adds id, which is above all others, to a set from newIDSet.
func (s *idset) append(id schema.ID) {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1]) == maxChunk {
		s.chunks = s.chunks[:n+1]
		n++
	}
	s.chunks[n-1] = append(s.chunks[n-1], id)
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
	s.chunks[c] = slices.Delete(s.chunks[c], at, at+1)
	if len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
	}
}

func (s *idset) empty() bool { return len(s.chunks) == 0 }

// page appends to buf, up to its capacity, the IDs of a range in order.
func (s *idset) page(buf []schema.ID, r IDRange) []schema.ID {
	for c := s.chunkOf(r.Low); c < len(s.chunks); c++ {
		at, _ := slices.BinarySearchFunc(s.chunks[c], r.Low, schema.ID.Compare)
		for _, id := range s.chunks[c][at:] {
			if len(buf) == cap(buf) || id.Compare(r.High) > 0 {
				return buf
			}
			buf = append(buf, id)
		}
	}
	return buf
}

// An IDRange is the IDs from Low to High, both included.
type IDRange struct{ Low, High schema.ID }

// AllIDs returns the range of all IDs.
func AllIDs() IDRange {
	var r IDRange
	for i := range r.High {
		r.High[i] = 0xff
	}
	return r
}

// Advance makes r the range above last, and reports whether an ID can be in it.
func (r *IDRange) Advance(last schema.ID) bool {
	for i := len(last) - 1; i >= 0; i-- {
		last[i]++
		if last[i] != 0 {
			r.Low = last
			return r.Low.Compare(r.High) <= 0
		}
	}
	return false
}
