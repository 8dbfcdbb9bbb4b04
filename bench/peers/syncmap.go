package main

import (
	"hash/maphash"
	"sync"

	"github.com/puzpuzpuz/xsync/v4"

	"allocstore/schema"
)

// syncMap is the standard library's concurrent map, keyed by the ID's string.
type syncMap struct {
	m sync.Map
}

func (s *syncMap) get(id string, got *found) error {
	if a, ok := s.m.Load(id); ok {
		got.alloc = a.(*schema.Allocation)
	}
	return nil
}

func (s *syncMap) insert(rows []*schema.Allocation) error {
	for _, a := range rows {
		s.m.Store(a.ID, a)
	}
	return nil
}

// xsyncMap is the concurrent map of puzpuzpuz/xsync, keyed by the ID's string.
type xsyncMap struct {
	m *xsync.Map[string, *schema.Allocation]
}

func newXsyncMap() xsyncMap { return xsyncMap{xsync.NewMap[string, *schema.Allocation]()} }

func (x xsyncMap) get(id string, got *found) error {
	got.alloc, _ = x.m.Load(id)
	return nil
}

func (x xsyncMap) insert(rows []*schema.Allocation) error {
	for _, a := range rows {
		x.m.Store(a.ID, a)
	}
	return nil
}

const mapShards = 256

// shardedMap is a set of plain maps, each behind its own lock.
type shardedMap struct {
	seed   maphash.Seed
	shards [mapShards]struct {
		sync.RWMutex
		m map[string]*schema.Allocation
		_ [32]byte // padding, so that each shard has its own cache line
	}
}

func newShardedMap() *shardedMap {
	s := &shardedMap{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].m = make(map[string]*schema.Allocation)
	}
	return s
}

func (s *shardedMap) get(id string, got *found) error {
	sh := &s.shards[maphash.String(s.seed, id)%mapShards]
	sh.RLock()
	got.alloc = sh.m[id]
	sh.RUnlock()
	return nil
}

func (s *shardedMap) insert(rows []*schema.Allocation) error {
	for _, a := range rows {
		sh := &s.shards[maphash.String(s.seed, a.ID)%mapShards]
		sh.Lock()
		sh.m[a.ID] = a
		sh.Unlock()
	}
	return nil
}

var (
	_ inMemory = (*syncMap)(nil)
	_ inMemory = xsyncMap{}
	_ inMemory = (*shardedMap)(nil)
)
