package store

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"allocstore/schema"
)

// A table maps every ID that the store remembers to its newest version. It is
// what Get costs: the ID's hash, one slot, one version.
//
// It is an open-addressed hash table with linear probing, cut into shards. The
// key stands in the slot, beside the pointer, so that a lookup of a resident
// allocation misses the cache twice (slot, version) where a map of strings
// misses three times (group, string, value).
//
// One goroutine writes (the committer, or Open before there is one); any number
// read without a lock. A slot is empty as long as its pointer is nil. The writer
// fills an empty slot by writing the ID, then the pointer; the pointer is atomic,
// so a reader that sees it sees the ID. The ID of a filled slot never changes.
// A full shard is copied into one of twice the size, which is then published by
// its own atomic pointer. A reader that still has the old one reads what was
// true when it loaded that pointer, as if it had run to its end at that moment.
// Shards keep such a copy short: at 2,000,000 IDs it moves 8,000 slots.
type table struct {
	seed   [2]uint64 // against IDs made to collide
	shards [tableShards]tableShard
}

const (
	tableShards = 256
	shardBits   = 8
	leastSlots  = 8
)

type tableShard struct {
	slots atomic.Pointer[[]slot] // a power of two of them
	used  int                    // filled slots; the writer's
}

type slot struct {
	id schema.ID
	v  atomic.Pointer[version]
}

func newTable() *table {
	t := &table{seed: [2]uint64{rand.Uint64(), rand.Uint64()}}
	for i := range t.shards {
		slots := make([]slot, leastSlots)
		t.shards[i].slots.Store(&slots)
	}
	return t
}

// hash mixes all bits of the ID into all bits of the result.
func (t *table) hash(id *schema.ID) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^t.seed[0], binary.LittleEndian.Uint64(id[8:])^t.seed[1])
	return hi ^ lo
}

// get returns the newest version of id, which may be a tombstone, or nil.
func (t *table) get(id *schema.ID) *version {
	h := t.hash(id)
	slots := *t.shards[h>>(64-shardBits)].slots.Load()
	for i := h; ; i++ {
		s := &slots[i&uint64(len(slots)-1)]
		v := s.v.Load()
		if v == nil || s.id == *id {
			return v
		}
	}
}

// put makes v the newest version of id.
func (t *table) put(id *schema.ID, v *version) {
	h := t.hash(id)
	sh := &t.shards[h>>(64-shardBits)]
	slots := *sh.slots.Load()
	s := place(slots, h, id)
	if s.v.Load() == nil {
		if 4*(sh.used+1) > 3*len(slots) {
			s = place(t.grow(sh), h, id)
		}
		s.id = *id
		sh.used++
	}
	s.v.Store(v)
}

// place returns the slot of id, or the empty one where it belongs.
func place(slots []slot, h uint64, id *schema.ID) *slot {
	for i := h; ; i++ {
		s := &slots[i&uint64(len(slots)-1)]
		if s.v.Load() == nil || s.id == *id {
			return s
		}
	}
}

// grow doubles the shard and returns its new slots.
func (t *table) grow(sh *tableShard) []slot {
	old := *sh.slots.Load()
	slots := make([]slot, 2*len(old))
	for i := range old {
		if v := old[i].v.Load(); v != nil {
			s := place(slots, t.hash(&old[i].id), &old[i].id)
			s.id = old[i].id
			s.v.Store(v)
		}
	}
	sh.slots.Store(&slots)
	return slots
}
