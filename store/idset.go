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

// gather puts id, which is new, into a set that is being filled. The set is not in
// order, and good for nothing else, before arrange is called.
func (s *idset) gather(id schema.ID) {
	if len(s.chunks) == 0 {
		s.chunks = [][]schema.ID{nil}
	}
	s.chunks[0] = append(s.chunks[0], id)
}

// arrange puts the gathered IDs in order.
func (s *idset) arrange() {
	if len(s.chunks) == 0 {
		return
	}
	ids := s.chunks[0]
	sortIDs(ids)
	s.chunks = make([][]schema.ID, 0, (len(ids)+maxChunk-1)/maxChunk)
	for chunk := range slices.Chunk(ids, maxChunk) {
		s.chunks = append(s.chunks, slices.Clone(chunk))
	}
}

// sortIDs sorts ids. Many are first dealt out by their first two bytes, which in
// random IDs leaves little to sort.
func sortIDs(ids []schema.ID) {
	const few, hands = 1 << 14, 1 << 16
	if len(ids) <= few {
		slices.SortFunc(ids, schema.ID.Compare)
		return
	}
	var ends [hands]int
	hand := func(id *schema.ID) int { return int(id[0])<<8 | int(id[1]) }
	for i := range ids {
		ends[hand(&ids[i])]++
	}
	at := 0
	for h, n := range ends {
		ends[h] = at
		at += n
	}
	dealt := make([]schema.ID, len(ids))
	for i := range ids {
		h := hand(&ids[i])
		dealt[ends[h]] = ids[i]
		ends[h]++
	}
	from := 0
	for _, end := range ends {
		slices.SortFunc(dealt[from:end], schema.ID.Compare)
		from = end
	}
	copy(ids, dealt)
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
