package store

import (
	"sync"

	"allocstore/schema"
)

// A hand goes round the slots of a table, shard by shard, and takes the decoded
// allocations away that it comes by, as long as there are too many. Where an ID
// stands is decided by a hash, so it meets them in no particular order: what goes
// is any one, whether it is read often or not. To know better, every read would
// have to leave a trace, and a read of a resident allocation leaves none.
type hand struct {
	mu    sync.Mutex // guards the rest; it comes before the locks of shards
	shard int
	slot  int
}

// handRun is how many slots are looked at under one lock.
const handRun = 256

// account notes that a newest version holds now where it held was; both may be
// nil. The shard is locked.
func (t *table) account(was, now *schema.Allocation) {
	if was == now {
		return
	}
	var more int
	if now != nil {
		more += now.Footprint()
	}
	if was != nil {
		more -= was.Footprint()
	}
	t.residentBytes.Add(int64(more))
}

// evict brings what is resident down to limit, or leaves that to somebody else who
// is about it and not too far behind.
func (t *table) evict(limit int64) {
	switch over := t.residentBytes.Load() - limit; {
	case over <= 0:
		return
	case over > limit/16:
		t.evicting.mu.Lock()
	case !t.evicting.mu.TryLock():
		return
	}
	defer t.evicting.mu.Unlock()
	h := &t.evicting
	for rounds := 0; rounds <= tableShards && t.residentBytes.Load() > limit; {
		if t.shards[h.shard].evict(t, h, limit) {
			h.shard, h.slot = (h.shard+1)%tableShards, 0
			rounds++
		}
	}
}

// evict goes on with the hand for a run, and reports whether it has come to the
// shard's end.
func (sh *tableShard) evict(t *table, h *hand, limit int64) (end bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := *sh.slots.Load()
	for range handRun {
		if h.slot >= len(slots) {
			return true
		}
		s := &slots[h.slot]
		h.slot++
		v := s.v.Load()
		if v == nil || v.alloc.Load() == nil {
			continue
		}
		s.alloc.Store(nil)
		t.account(v.alloc.Swap(nil), nil)
		if t.residentBytes.Load() <= limit {
			break
		}
	}
	return false
}
