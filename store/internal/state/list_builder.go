package state

import (
	"iter"
	"slices"
	"strings"

	"allocstore/schema"
)

// A listBuilder makes all lists of one kind at once. It first interns each name as a
// number. When all IDs are known and sorted, it fills every list from its beginning to its
// end, without searching, moving or sorting.
type listBuilder struct {
	numbers map[string]uint32
	names   []string
}

// A member is an allocation with the numbers of its lists.
type member struct {
	id    schema.ID
	lists [namedKinds]uint32
}

func newListBuilder() listBuilder { return listBuilder{numbers: make(map[string]uint32)} }

// intern returns the number of the list of that name. Neighbours in the log often share
// the latest one.
func (b *listBuilder) intern(name string) uint32 {
	if n := len(b.names); n > 0 && b.names[n-1] == name {
		return uint32(n - 1)
	}
	if n, ok := b.numbers[name]; ok {
		return n
	}
	name = strings.Clone(name)
	b.names = append(b.names, name)
	b.numbers[name] = uint32(len(b.names) - 1)
	return b.numbers[name]
}

// build yields the non-empty lists of a kind. The members are sorted by ID.
func (b *listBuilder) build(members []member, kind ListKind) iter.Seq2[List, *idset] {
	return func(yield func(List, *idset) bool) {
		counts := make([]int, len(b.names))
		for i := range members {
			counts[members[i].lists[kind]]++
		}
		sets := make([]idset, len(b.names))
		for i, n := range counts {
			sets[i] = newIDSet(n)
		}
		for i := range members {
			sets[members[i].lists[kind]].append(members[i].id)
		}
		for i := range sets {
			if counts[i] > 0 && !yield(List{kind, b.names[i]}, &sets[i]) {
				return
			}
		}
	}
}

// sortMembers returns the members sorted by ID, in place or in a copy. Many are first
// distributed into buckets by the first two bytes of the ID; random IDs then leave little
// to sort.
func sortMembers(all []member) []member {
	const few, buckets = 1 << 12, 1 << 16
	compare := func(a, b member) int { return a.id.Compare(b.id) }
	if len(all) <= few {
		slices.SortFunc(all, compare)
		return all
	}
	ends := make([]int, buckets)
	bucket := func(m *member) int { return int(m.id[0])<<8 | int(m.id[1]) }
	for i := range all {
		ends[bucket(&all[i])]++
	}
	at := 0
	for b, n := range ends {
		ends[b] = at
		at += n
	}
	sorted := make([]member, len(all))
	for i := range all {
		b := bucket(&all[i])
		sorted[ends[b]] = all[i]
		ends[b]++
	}
	from := 0
	for _, end := range ends {
		slices.SortFunc(sorted[from:end], compare)
		from = end
	}
	return sorted
}
