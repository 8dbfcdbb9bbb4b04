package store

import (
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"allocstore/schema"
)

// A table maps every ID that the store remembers to its newest version. It is
// what Get costs: the ID's hash and one slot.
//
// It is an open-addressed hash table with linear probing, cut into shards. A slot
// is half a cache line and has all that Get needs: the ID itself, and beside the
// pointer to the version the one to the decoded allocation. So a lookup of a
// resident allocation misses the cache once, where a map of strings misses three
// times (group, string, value).
//
// One goroutine puts (the committer, or Open before there is one); any number
// look up without a lock. A slot is empty as long as its version is nil. Put
// fills an empty slot by writing the ID, then the version; that pointer is
// atomic, so a reader that sees it sees the ID. The ID of a filled slot never
// changes. A full shard is copied into one of twice the size, which is then
// published by its own atomic pointer. A reader that still has the old one reads
// what was true when it loaded that pointer, as if it had run to its end at that
// moment. Shards keep such a copy short: at 2,000,000 IDs it moves 8,000 slots.
//
// A reader that has decoded a version puts the allocation into the slot, unless
// the version has been replaced; only that, put and growth take the shard's lock.
// Between put's two stores a reader may find the new version and the allocation
// of the one before it. That is the state before the write, which is not
// published at that time.
type table struct {
	seed   [2]uint64 // against IDs made to collide
	shards [tableShards]tableShard

	// residentBytes is the sum of the footprints of the allocations that the newest
	// versions hold.
	residentBytes atomic.Int64
	evicting      hand
}

const (
	shardBits   = 8
	tableShards = 1 << shardBits
	leastSlots  = 8
)

type tableShard struct {
	slots atomic.Pointer[[]slot] // a power of two of them

	mu   sync.Mutex // guards what is stored through slots; a leaf lock
	used int        // filled slots; guarded by mu
}

type slot struct {
	id schema.ID
	v  atomic.Pointer[version]

	// Invariant: nil, or the decoded allocation of v, or while v is not published
	// that of the version before it.
	alloc atomic.Pointer[schema.Allocation]
}

func newTable() *table {
	t := &table{seed: [2]uint64{rand.Uint64(), rand.Uint64()}}
	for i := range t.shards {
		slots := make([]slot, leastSlots)
		t.shards[i].slots.Store(&slots)
	}
	return t
}

// reserve makes room for n IDs, before there are any.
func (t *table) reserve(n int) {
	each := float64(n) / tableShards
	each += 4 * math.Sqrt(each) // chance fills one shard more than another
	size := leastSlots
	for 3*size < 4*int(each) {
		size *= 2
	}
	for i := range t.shards {
		slots := make([]slot, size)
		t.shards[i].slots.Store(&slots)
	}
}

// hash mixes all bits of the ID into all bits of the result.
func (t *table) hash(id *schema.ID) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^t.seed[0], binary.LittleEndian.Uint64(id[8:])^t.seed[1])
	return hi ^ lo
}

func (t *table) shard(h uint64) *tableShard { return &t.shards[h>>(64-shardBits)] }

// probe returns the slot of id, or the empty one where it belongs.
func probe(slots []slot, h uint64, id *schema.ID) *slot {
	for i := h; ; i++ {
		s := &slots[i&uint64(len(slots)-1)]
		if s.v.Load() == nil || s.id == *id {
			return s
		}
	}
}

// forgotten is the version of an ID whose tombstone was forgotten: its slot stays,
// since others may have been put behind it, until the shard is copied.
var forgotten = new(version)

// get returns the newest version of id, which may be a tombstone, or nil.
func (t *table) get(id *schema.ID) *version {
	if v, _ := t.resident(id); v != forgotten {
		return v
	}
	return nil
}

// forget forgets id, if its newest version is the tombstone at k, and reports
// whether it was.
func (t *table) forget(id *schema.ID, k key) bool {
	h := t.hash(id)
	sh := t.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := probe(*sh.slots.Load(), h, id)
	if v := s.v.Load(); v == nil || v == forgotten || v.pair().newest() != k {
		return false
	}
	s.v.Store(forgotten)
	return true
}

// resident returns the newest version of id, or nil, and its allocation if that
// is decoded.
func (t *table) resident(id *schema.ID) (*version, *schema.Allocation) {
	h := t.hash(id)
	s := probe(*t.shard(h).slots.Load(), h, id)
	return s.v.Load(), s.alloc.Load()
}

// touch has the processor fetch what a lookup of id will need: where many IDs are
// looked up, it fetches several at once if all are touched first.
func (t *table) touch(id *schema.ID) {
	h := t.hash(id)
	slots := *t.shard(h).slots.Load()
	slots[h&uint64(len(slots)-1)].v.Load()
}

// put makes v the newest version of id.
func (t *table) put(id *schema.ID, v *version) {
	h := t.hash(id)
	sh := t.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := probe(*sh.slots.Load(), h, id)
	was := s.v.Load()
	if was == nil {
		was = forgotten
		s = t.claimLocked(sh, s, h, id)
	}
	s.v.Store(v)
	s.alloc.Store(v.current())
	t.account(was.alloc.Load(), v.alloc.Load())
}

// adopt returns the newest version of id, which is v if there was none.
func (t *table) adopt(id *schema.ID, v *version) *version {
	h := t.hash(id)
	sh := t.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := probe(*sh.slots.Load(), h, id)
	if was := s.v.Load(); was != nil {
		return was
	}
	t.claimLocked(sh, s, h, id).v.Store(v)
	return v
}

// claimLocked makes s, which is empty, or another one if the shard has to grow,
// the slot of id.
func (t *table) claimLocked(sh *tableShard, s *slot, h uint64, id *schema.ID) *slot {
	if slots := *sh.slots.Load(); 4*(sh.used+1) > 3*len(slots) {
		s = probe(t.growLocked(sh), h, id)
	}
	s.id = *id
	sh.used++
	return s
}

// become takes over the slots of another table with the same seed, which has nothing
// decoded and which nobody else uses.
func (t *table) become(o *table) {
	for i := range t.shards {
		t.shards[i].become(t, &o.shards[i])
	}
}

func (sh *tableShard) become(t *table, o *tableShard) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for old := *sh.slots.Load(); len(old) > 0; old = old[1:] {
		if v := old[0].v.Load(); v != nil {
			t.account(v.alloc.Load(), nil)
		}
	}
	sh.slots.Store(o.slots.Load())
	sh.used = o.used
}

// all yields every ID with its newest version, while nobody puts.
func (t *table) all() iter.Seq2[schema.ID, *version] {
	return func(yield func(schema.ID, *version) bool) {
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

// fill makes a, which was decoded, the allocation of v and resident, unless v has been
// replaced. It returns the one that is there already if somebody was faster.
func (t *table) fill(id *schema.ID, v *version, a *schema.Allocation) *schema.Allocation {
	h := t.hash(id)
	sh := t.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if first := v.current(); first != nil {
		return first
	}
	s := probe(*sh.slots.Load(), h, id)
	if s.v.Load() != v {
		return a
	}
	was := v.alloc.Swap(a)
	s.alloc.Store(a)
	t.account(was, a)
	return a
}

// growLocked copies the shard without what is forgotten, into twice the slots
// unless that was most of it, and returns them.
func (t *table) growLocked(sh *tableShard) []slot {
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
	sh.used = 0
	for i := range old {
		if v := old[i].v.Load(); v != nil && v != forgotten {
			s := probe(slots, t.hash(&old[i].id), &old[i].id)
			s.id = old[i].id
			s.v.Store(v)
			s.alloc.Store(old[i].alloc.Load())
			sh.used++
		}
	}
	sh.slots.Store(&slots)
	return slots
}
