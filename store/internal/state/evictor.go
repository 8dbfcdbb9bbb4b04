package state

import (
	"sync"

	"allocstore/schema"
)

// An evictor goes round the slots of a table, shard by shard, and drops decoded
// allocations while there are too many. A hash decides where an ID stands, so the order is
// random: a victim may be read often. To drop the least recently used ones, every read
// would have to write.
type evictor struct {
	mu    sync.Mutex // guards the rest; it comes before the locks of shards
	shard int
	slot  int
}

// evictRun is the number of slots that are visited under one lock.
const evictRun = 256

// account replaces was by now in the resident bytes; either may be nil. The shard is locked.
func (t *Table) account(was, now *schema.Allocation) {
	if was == now {
		return
	}
	var more int
	if now != nil {
		more += codec.Footprint(now)
	}
	if was != nil {
		more -= codec.Footprint(was)
	}
	t.resident.Add(int64(more))
}

// evict drops allocations until at most limit bytes are resident. If another goroutine is
// evicting and the excess is small, it leaves the work to that one.
func (t *Table) evict(limit int64) {
	e := &t.evictor
	switch over := t.resident.Load() - limit; {
	case over <= 0:
		return
	case over > limit/16:
		e.mu.Lock()
	case !e.mu.TryLock():
		return
	}
	defer e.mu.Unlock()
	for rounds := 0; rounds <= tableShards && t.resident.Load() > limit; {
		if t.shards[e.shard].evict(t, e, limit) {
			e.shard, e.slot = (e.shard+1)%tableShards, 0
			rounds++
		}
	}
}

// evict visits the next slots, and reports whether the shard's end was reached.
func (sh *tableShard) evict(t *Table, e *evictor, limit int64) (end bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := *sh.slots.Load()
	for range evictRun {
		if e.slot >= len(slots) {
			return true
		}
		s := &slots[e.slot]
		e.slot++
		v := s.v.Load()
		if v == nil || v.alloc.Load() == nil {
			continue
		}
		s.alloc.Store(nil)
		t.account(v.alloc.Swap(nil), nil)
		if t.resident.Load() <= limit {
			break
		}
	}
	return false
}
