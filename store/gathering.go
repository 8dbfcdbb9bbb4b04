package store

import (
	"slices"
	"strings"

	"allocstore/schema"
)

// A gathering makes the lists of one kind at once: first it gives each name a
// number; then, when all IDs are there and in order, every list is filled from its
// beginning to its end. So nothing is searched or moved, and no list is sorted.
type gathering struct {
	numbers map[string]uint32
	names   []string
}

// gathered is an allocation with the numbers of its lists.
type gathered struct {
	id    schema.ID
	lists [byKinds]uint32
}

func newGathering() gathering { return gathering{numbers: make(map[string]uint32)} }

// number returns the number of the list of that name. Neighbours in the log mostly
// have the last one in common.
func (g *gathering) number(name string) uint32 {
	if n := len(g.names); n > 0 && g.names[n-1] == name {
		return uint32(n - 1)
	}
	if n, ok := g.numbers[name]; ok {
		return n
	}
	name = strings.Clone(name)
	g.names = append(g.names, name)
	g.numbers[name] = uint32(len(g.names) - 1)
	return g.numbers[name]
}

// fill returns the lists of that kind, by name, but for those that are empty.
func (g *gathering) fill(living []gathered, kind listKind) map[string]*idset {
	counts := make([]int, len(g.names))
	for i := range living {
		counts[living[i].lists[kind]]++
	}
	sets := make([]idset, len(g.names))
	byName := make(map[string]*idset, len(g.names))
	for i, n := range counts {
		if n > 0 {
			sets[i] = newIDSet(n)
			byName[g.names[i]] = &sets[i]
		}
	}
	for i := range living {
		sets[living[i].lists[kind]].fill(living[i].id)
	}
	return byName
}

// sortGathered returns all, or a copy of it, in the order of the IDs. They are
// first dealt out by the first two bytes, which in random IDs leaves little to
// sort.
func sortGathered(all []gathered) []gathered {
	const few, hands = 1 << 12, 1 << 16
	compare := func(a, b gathered) int { return a.id.Compare(b.id) }
	if len(all) <= few {
		slices.SortFunc(all, compare)
		return all
	}
	ends := make([]int, hands)
	hand := func(g *gathered) int { return int(g.id[0])<<8 | int(g.id[1]) }
	for i := range all {
		ends[hand(&all[i])]++
	}
	at := 0
	for h, n := range ends {
		ends[h] = at
		at += n
	}
	dealt := make([]gathered, len(all))
	for i := range all {
		h := hand(&all[i])
		dealt[ends[h]] = all[i]
		ends[h]++
	}
	from := 0
	for _, end := range ends {
		slices.SortFunc(dealt[from:end], compare)
		from = end
	}
	return dealt
}
