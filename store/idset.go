package store

import (
	"slices"
	"sort"

	"allocstore/schema"
)

// An idset is a set of IDs in order: a B+tree of one level, a sorted list of
// sorted chunks. Adding to it moves some 2 kB at the most and a fraction of that
// usually; walking it touches 16 bytes an ID. Its zero value is empty.
type idset struct {
	// Invariant: no chunk is empty; IDs ascend within a chunk and from one chunk
	// to the next; no chunk is longer than maxChunk.
	chunks [][]schema.ID
}

const maxChunk = 256

// chunkOf returns the index of the only chunk that id can be in.
func (s *idset) chunkOf(id schema.ID) int {
	after := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i][0].Compare(id) > 0 })
	return max(after-1, 0)
}

// add puts id into the set.
func (s *idset) add(id schema.ID) {
	if len(s.chunks) == 0 {
		s.chunks = [][]schema.ID{{id}}
		return
	}
	c, at, found := s.place(id)
	if found {
		return
	}
	if len(s.chunks[c]) == maxChunk {
		c, at = s.split(c, at)
	}
	s.chunks[c] = slices.Insert(s.chunks[c], at, id)
}

// place returns the chunk of id, and where in it id is or belongs. IDs that arrive
// in order are told without a search.
func (s *idset) place(id schema.ID) (c, at int, found bool) {
	c = len(s.chunks) - 1
	if n := len(s.chunks[c]); s.chunks[c][n-1].Compare(id) < 0 {
		return c, n, false
	}
	c = s.chunkOf(id)
	at, found = slices.BinarySearchFunc(s.chunks[c], id, schema.ID.Compare)
	return c, at, found
}

// split makes room in the full chunk c, where an ID belongs at position at, and
// returns where it belongs then. A chunk that is growing at the end of the set
// stays full: IDs that arrive in order leave full chunks behind.
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

// newIDSet returns an empty set that is about to be filled with n IDs.
func newIDSet(n int) idset {
	s := idset{chunks: make([][]schema.ID, (n+maxChunk-1)/maxChunk)}
	for i := range s.chunks {
		s.chunks[i] = make([]schema.ID, 0, min(n-i*maxChunk, maxChunk))
	}
	s.chunks = s.chunks[:0]
	return s
}

// fill adds id, which comes after all that are there, to a set from newIDSet.
func (s *idset) fill(id schema.ID) {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1]) == maxChunk {
		s.chunks = s.chunks[:n+1]
		n++
	}
	s.chunks[n-1] = append(s.chunks[n-1], id)
}

// remove takes id out of the set.
func (s *idset) remove(id schema.ID) {
	if len(s.chunks) == 0 {
		return
	}
	c, at, found := s.place(id)
	if !found {
		return
	}
	s.chunks[c] = slices.Delete(s.chunks[c], at, at+1)
	if len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
	}
}

func (s *idset) empty() bool { return len(s.chunks) == 0 }

// page appends to buf, up to its capacity, the IDs from low to high in order.
func (s *idset) page(buf []schema.ID, low, high schema.ID) []schema.ID {
	for c := s.chunkOf(low); c < len(s.chunks); c++ {
		at, _ := slices.BinarySearchFunc(s.chunks[c], low, schema.ID.Compare)
		for _, id := range s.chunks[c][at:] {
			if len(buf) == cap(buf) || id.Compare(high) > 0 {
				return buf
			}
			buf = append(buf, id)
		}
	}
	return buf
}
