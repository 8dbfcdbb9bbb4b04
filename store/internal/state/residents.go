package state

import (
	"allocstore/schema"
	"allocstore/store/internal/lists"
)

// Lookups are the results of Residents, and its memory.
type Lookups struct {
	Allocs [lists.PageLen]*schema.Allocation
	slots  [lists.PageLen]*slot
}

// Residents sets l.Allocs[i] to the decoded allocation of the newest version of ids[i], or to nil if
// it is not in memory, as Resident does. There are at most lists.PageLen IDs.
//
// A lookup misses the processor's caches twice: in the table and in the allocation. Made one after
// the other, each waits for the one before. Here the misses of one kind are made side by side, in
// loops of a few instructions: the processor looks some hundred instructions ahead, so a loop
// that also hashes the IDs has a fifth as many misses under way. First all slots are
// computed, then touched, then read, and at last their allocations are touched. Measured for
// 300,000 IDs, a slot costs 23 ns in this way, and 42 if hashing and touching share a loop.
func (t *Table) Residents(ids []schema.ID, l *Lookups) {
	slots := l.slots[:len(ids)]
	for i := range ids {
		h := t.hash(&ids[i])
		in := *t.shard(h).slots.Load()
		slots[i] = &in[h&uint64(len(in)-1)]
	}
	for _, s := range slots {
		s.v.Load()
	}
	for i, s := range slots {
		if s.v.Load() == nil || s.id != ids[i] {
			h := t.hash(&ids[i])
			s = probe(*t.shard(h).slots.Load(), h, &ids[i])
		}
		l.Allocs[i] = s.alloc.Load()
	}
	touch(l.Allocs[:len(ids)])
}

// touch loads into the cache the two lines of each allocation that are read most. The result keeps
// the compiler from leaving the reads out.
//
//go:noinline
func touch(as []*schema.Allocation) (sum uint64) {
	for _, a := range as {
		if a != nil {
			sum += a.ModifyIndex + uint64(len(a.ClientStatus))
		}
	}
	return sum
}
