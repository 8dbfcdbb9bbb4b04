package state

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"allocstore/schema"
	"allocstore/store/internal/record"
)

// placements are the placements in all records with a scheduler's part, in the order of the
// log. When the whole log was read, the lists are built from those that are still valid.
type placements struct {
	blocks  [][]placed
	unknown []placed // of damaged records
	lists   [namedKinds]listBuilder
}

// A placed is the placement in one record. There may be millions, so it has numbers instead
// of pointers.
type placed struct {
	v     *Version
	at    record.Key
	id    schema.ID
	lists [namedKinds]uint32
}

// valid reports whether the allocation exists and the record is its newest with a
// scheduler's part.
func (p *placed) valid() bool { return !p.v.Tombstone() && p.v.Pair().Sched == p.at }

const placedBlock = 1024

func (ps *placements) init() {
	for kind := range ps.lists {
		ps.lists[kind] = newListBuilder()
	}
}

// add adds the placement in a record of v.
func (ps *placements) add(v *Version, rec *scanned) {
	p := placed{v: v, at: rec.Key, id: rec.ID}
	if rec.Damaged {
		ps.unknown = append(ps.unknown, p)
		return
	}
	for kind, name := range rec.placement {
		p.lists[kind] = ps.lists[kind].intern(name)
	}
	n := len(ps.blocks)
	if n == 0 || len(ps.blocks[n-1]) == placedBlock {
		ps.blocks = append(ps.blocks, make([]placed, 0, placedBlock))
		n++
	}
	ps.blocks[n-1] = append(ps.blocks[n-1], p)
}

// members returns the n existing allocations and their lists, sorted by ID.
func (ps *placements) members(n int64) []member {
	all := make([]member, 0, n)
	for _, block := range ps.blocks {
		for i := range block {
			if p := &block[i]; p.valid() {
				all = append(all, member{p.id, p.lists})
			}
		}
	}
	ps.blocks = nil
	return sortMembers(all)
}

// build fills the lists with n allocations, on two processors.
func (ps *placements) build(l *Lists, n int64) {
	members := ps.members(n)
	lists := 1
	for kind := range ps.lists {
		lists += len(ps.lists[kind].names)
	}
	l.mu.sets = make(map[List]*idset, lists) // the state is not in use yet
	var wg sync.WaitGroup
	wg.Go(func() {
		all := newIDSet(len(members))
		for i := range members {
			all.append(members[i].id)
		}
		if len(members) > 0 {
			l.put(List{Kind: Everything}, &all)
		}
	})
	for kind := range ps.lists {
		wg.Go(func() {
			for list, set := range ps.lists[kind].build(members, ListKind(kind)) {
				l.put(list, set)
			}
		})
	}
	wg.Wait()
	for i := range ps.unknown {
		if p := &ps.unknown[i]; p.valid() {
			l.addLocked(listEntry{List{Kind: Everything}, p.id})
			l.addLocked(listEntry{List{Kind: UnknownPlacement}, p.id})
		}
	}
}

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
// the latest new one.
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
