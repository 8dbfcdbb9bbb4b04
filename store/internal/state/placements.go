package state

import (
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
	l.mu.sets = make(map[List]*idset, lists)
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
