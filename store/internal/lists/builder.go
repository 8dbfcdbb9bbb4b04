package lists

import (
	"slices"
	"sync"

	"allocstore/schema"
)

// A Builder fills new lists when a file is opened. The log is read in its order: each record has a
// Place, and those above the floor are changes, which make the indexes and the histories. The
// members are added at the end, all at once and in the order of their IDs: so every list is
// filled from its beginning to its end, without searching, moving or sorting.
type Builder struct {
	ls   *Lists
	last [namedKinds]*list // neighbours in the log often share a list
}

// NewBuilder returns a builder of ls, which has nothing and is not in use. Changes up to the
// floor are forgotten.
func NewBuilder(ls *Lists, floor uint64) *Builder {
	ls.floor.Store(floor)
	return &Builder{ls: ls}
}

// Place is Lists.Place.
func (b *Builder) Place(p *Placement, t TerminalFlags) Place {
	at := Place{kind: placed, Terminal: t}
	for kind, text := range p {
		if b.last[kind] == nil || b.last[kind].name.Text != text {
			b.last[kind] = b.ls.listLocked(Name{Kind(kind), text})
		}
		at.numbers[kind] = b.last[kind].number
	}
	return at
}

// Apply notes a change above the floor.
func (b *Builder) Apply(c *Change) {
	b.ls.eachLocked(c, func(l *list, was, is bool) {
		if l.remember(c, was, is) {
			b.ls.mu.past = append(b.ls.mu.past, l)
		}
	})
}

// A Member is an allocation and its place.
type Member struct {
	ID    schema.ID
	Place Place
}

// Finish fills the lists with the members, in any order, on two processors. If the place of a
// member is unknown, every list counts as changed at the index last.
func (b *Builder) Finish(all []Member, last uint64) {
	all = sortMembers(all)
	ls := b.ls
	var wg sync.WaitGroup
	wg.Go(func() { fillOne(&ls.mu.all, all, func(*Place) bool { return true }) })
	for kind := range namedKinds {
		wg.Go(func() { ls.mu.named[kind].fill(kind, all) })
	}
	wg.Wait()
	if slices.ContainsFunc(all, func(m Member) bool { return m.Place.Unplaced() }) {
		fillOne(&ls.mu.unplaced, all, (*Place).Unplaced)
		for v := range ls.mu.unplaced.index {
			ls.mu.unplaced.index[v] = last
		}
	}
	ls.DropUnused()
}

// fillOne fills a list with the members that belong to it.
func fillOne(l *list, all []Member, holds func(*Place) bool) {
	var counts [2]int
	for i := range all {
		if p := &all[i].Place; holds(p) {
			counts[p.set()]++
		}
	}
	l.sets = [2]idset{newIDSet(counts[0]), newIDSet(counts[1])}
	for i := range all {
		if p := &all[i].Place; holds(p) {
			l.sets[p.set()].append(all[i].ID)
		}
	}
}

// fill fills all lists of a kind.
func (of *names) fill(kind int, all []Member) {
	counts := make([][2]int, len(of.byNumber))
	for i := range all {
		if p := &all[i].Place; p.kind == placed {
			counts[p.numbers[kind]][p.set()]++
		}
	}
	for i, l := range of.byNumber {
		l.sets = [2]idset{newIDSet(counts[i][0]), newIDSet(counts[i][1])}
	}
	for i := range all {
		if p := &all[i].Place; p.kind == placed {
			of.byNumber[p.numbers[kind]].sets[p.set()].append(all[i].ID)
		}
	}
}

// sortMembers returns the members sorted by ID, in place or in a copy. Many are first
// distributed into buckets by the first two bytes of the ID; random IDs then leave little
// to sort.
func sortMembers(all []Member) []Member {
	const few, buckets = 1 << 12, 1 << 16
	compare := func(a, b Member) int { return a.ID.Compare(b.ID) }
	if len(all) <= few {
		slices.SortFunc(all, compare)
		return all
	}
	ends := make([]int, buckets)
	bucket := func(m *Member) int { return int(m.ID[0])<<8 | int(m.ID[1]) }
	for i := range all {
		ends[bucket(&all[i])]++
	}
	at := 0
	for b, n := range ends {
		ends[b] = at
		at += n
	}
	sorted := make([]Member, len(all))
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
