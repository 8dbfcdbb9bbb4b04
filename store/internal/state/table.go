package state

import (
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/record"
)

// A Table maps every ID that the store remembers to its newest version. A lookup costs
// the hash of the ID and one slot.
//
// It is an open-addressed hash table with linear probing by pairs of slots, divided into shards. A
// slot is half a cache line and has all that Get needs: the ID, the pointer to the version, and the
// pointer to the decoded allocation. So a lookup of a resident allocation misses the cache once,
// where a map of strings misses it three times (group, string, value).
//
// One goroutine puts (the committer, or Open before there is one); any number look up
// without a lock. A slot is empty while its version is nil. put fills an empty slot by
// writing the ID and then the version. The pointer to the version is atomic, so a reader
// that sees it sees the ID. The ID of a filled slot never changes. A full shard is copied
// into one of twice the size, which is published by its own atomic pointer. A reader with
// the old one sees the table as of the moment it loaded that pointer. Shards keep the copy short:
// at 2,000,000 IDs it moves 8,000 slots.
//
// A reader that has decoded a version stores the allocation in the slot, unless the
// version was replaced. Every store takes the shard's lock. Between the two
// stores of put a reader may find the new version with the allocation of the one before.
// That is the state before the write, which is not published at that time.
type Table struct {
	seed   [2]uint64 // against IDs made to collide
	shards [tableShards]tableShard

	// resident is the sum of the footprints of the allocations that newest versions hold.
	resident atomic.Int64
	evictor  evictor
}

const (
	shardBits   = 8
	tableShards = 1 << shardBits
	minSlots    = 8
)

type tableShard struct {
	slots atomic.Pointer[[]slot] // the length is a power of two

	mu   sync.Mutex // guards stores through slots; a leaf lock
	used int        // filled slots; guarded by mu
}

type slot struct {
	id schema.ID
	v  atomic.Pointer[Version]

	// Invariant: nil, or the decoded allocation of v, or while v is not published that of
	// the version before.
	alloc atomic.Pointer[schema.Allocation]
}

func (t *Table) init() {
	t.seed = [2]uint64{rand.Uint64(), rand.Uint64()}
	t.resize(minSlots)
}

// reserve makes room for n IDs in an empty table.
func (t *Table) reserve(n int) {
	each := float64(n) / tableShards
	each += 4 * math.Sqrt(each) // chance fills some shards more than others
	size := minSlots
	for 3*size < 4*int(each) {
		size *= 2
	}
	t.resize(size)
}

func (t *Table) resize(size int) {
	for i := range t.shards {
		slots := make([]slot, size)
		t.shards[i].slots.Store(&slots)
	}
}

// hash mixes all bits of the ID into all bits of the result.
func (t *Table) hash(id *schema.ID) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^t.seed[0], binary.LittleEndian.Uint64(id[8:])^t.seed[1])
	return hi ^ lo
}

func (t *Table) shard(h uint64) *tableShard { return &t.shards[h>>(64-shardBits)] }

// probe returns the slot of id, or the empty one where it belongs. Slots are looked at in pairs, which
// share a cache line.
func probe(slots []slot, h uint64, id *schema.ID) *slot {
	last := uint64(len(slots) - 1)
	for i := h; ; i += 2 {
		if s := &slots[i&last]; s.takes(id) {
			return s
		}
		if s := &slots[(i^1)&last]; s.takes(id) { // the other of the pair
			return s
		}
	}
}

// takes reports whether the slot is that of id, or empty.
func (s *slot) takes(id *schema.ID) bool { return s.v.Load() == nil || s.id == *id }

// lock locks the shard of id, and returns it and the slot of id, or the empty one where it
// belongs.
func (t *Table) lock(id *schema.ID) (*tableShard, *slot) {
	h := t.hash(id)
	sh := t.shard(h)
	sh.mu.Lock()
	return sh, probe(*sh.slots.Load(), h, id)
}

// forgotten is the version of an ID whose tombstone was forgotten. Its slot stays until
// the shard is copied, since probing may have to pass it.
var forgotten = new(Version)

// Get returns the newest version of id, which may be a tombstone, or nil.
func (t *Table) Get(id *schema.ID) *Version {
	if v, _ := t.Resident(id); v != forgotten {
		return v
	}
	return nil
}

// Resident returns the newest version of id, or nil, and its allocation if that is decoded.
// The version may be a tombstone, also one that was forgotten; see Get.
func (t *Table) Resident(id *schema.ID) (*Version, *schema.Allocation) {
	h := t.hash(id)
	s := probe(*t.shard(h).slots.Load(), h, id)
	return s.v.Load(), s.alloc.Load()
}

// ResidentBytes returns about how much memory the decoded allocations take, without their
// jobs.
func (t *Table) ResidentBytes() int64 { return t.resident.Load() }

// forget removes id if its newest version is the tombstone at k, and reports whether it
// was.
func (t *Table) forget(id *schema.ID, k record.Key) bool {
	sh, s := t.lock(id)
	defer sh.mu.Unlock()
	if v := s.v.Load(); v == nil || v == forgotten || v.Pair().Newest() != k {
		return false
	}
	s.v.Store(forgotten)
	return true
}

// prefetch loads the cache line that a lookup of id begins with. For many lookups the
// processor loads several at once if all IDs are prefetched first.
func (t *Table) prefetch(id *schema.ID) {
	h := t.hash(id)
	slots := *t.shard(h).slots.Load()
	slots[h&uint64(len(slots)-1)].v.Load()
}

// put makes v the newest version of id.
func (t *Table) put(id *schema.ID, v *Version) {
	sh, s := t.lock(id)
	defer sh.mu.Unlock()
	was := s.v.Load()
	if was == nil {
		was = forgotten
		s = t.claimLocked(sh, s, id)
	}
	s.v.Store(v)
	s.alloc.Store(v.Current())
	t.account(was.alloc.Load(), v.alloc.Load())
}

// adopt returns the newest version of id. An unknown ID gets v.
func (t *Table) adopt(id *schema.ID, v *Version) *Version {
	sh, s := t.lock(id)
	defer sh.mu.Unlock()
	if was := s.v.Load(); was != nil {
		return was
	}
	t.claimLocked(sh, s, id).v.Store(v)
	return v
}

// claimLocked makes the empty slot s the slot of id, or another one if the shard grows.
func (t *Table) claimLocked(sh *tableShard, s *slot, id *schema.ID) *slot {
	if slots := *sh.slots.Load(); 4*(sh.used+1) > 3*len(slots) {
		s = probe(t.growLocked(sh), t.hash(id), id)
	}
	s.id = *id
	sh.used++
	return s
}

// All yields every ID with its newest version. The sequence misses versions that are put
// meanwhile.
func (t *Table) All() iter.Seq2[schema.ID, *Version] {
	return func(yield func(schema.ID, *Version) bool) {
		for i := range t.shards {
			slots := *t.shards[i].slots.Load()
			for k := range slots {
				if v := slots[k].v.Load(); v != nil && v != forgotten && !yield(slots[k].id, v) {
					return
				}
			}
		}
	}
}

// fill makes a the resident allocation of v, unless v was replaced. It returns the
// allocation that v already has if another reader decoded it first.
func (t *Table) fill(id *schema.ID, v *Version, a *schema.Allocation) *schema.Allocation {
	sh, s := t.lock(id)
	defer sh.mu.Unlock()
	if first := v.Current(); first != nil {
		return first
	}
	if s.v.Load() != v {
		return a
	}
	was := v.alloc.Swap(a)
	s.alloc.Store(a)
	t.account(was, a)
	return a
}

// growLocked copies the shard without forgotten IDs, into twice the slots unless most of
// them were forgotten, and returns the new slots.
func (t *Table) growLocked(sh *tableShard) []slot {
	old := *sh.slots.Load()
	sh.used = 0
	for i := range old {
		if v := old[i].v.Load(); v != nil && v != forgotten {
			sh.used++
		}
	}
	size := len(old)
	if 2*sh.used >= size {
		size *= 2
	}
	slots := make([]slot, size)
	for i := range old {
		if v := old[i].v.Load(); v != nil && v != forgotten {
			s := probe(slots, t.hash(&old[i].id), &old[i].id)
			s.id = old[i].id
			s.v.Store(v)
			s.alloc.Store(old[i].alloc.Load())
		}
	}
	sh.slots.Store(&slots)
	return slots
}
