package main

import (
	"sync"
	"sync/atomic"
)

// remembered is the number of latest acknowledgements that are kept for an allocation.
const remembered = 64

// acks are the indexes that the writers received, by allocation and event.
type acks struct {
	locks   []sync.Mutex // lock g guards the allocations of writer g
	counts  []int        // acknowledged events of each allocation
	indexes []uint64     // indexes of the latest events, remembered entries for each allocation
	created []uint64     // indexes of the inserts; constant after placing

	// The number of acknowledged updates, and the sum of their digests.
	updates, digests atomic.Uint64
}

func newAcks(allocs, writers int) *acks {
	return &acks{
		locks:  make([]sync.Mutex, writers),
		counts: make([]int, allocs), indexes: make([]uint64, allocs*remembered), created: make([]uint64, allocs),
	}
}

// digest hashes an update and its index.
func digest(i, n int, index uint64) uint64 {
	x := uint64(i)<<32 ^ uint64(n)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27 ^ index) * 0x94d049bb133111eb
	x = (x ^ x>>31) * 0x9e3779b97f4a7c15
	return x ^ x>>32
}

// record records that event n of allocation i was acknowledged at index. Events count
// from 1; event 0 is the insert.
func (k *acks) record(i, n int, index uint64) {
	l := &k.locks[i%len(k.locks)]
	l.Lock()
	k.counts[i] = n
	k.indexes[i*remembered+n%remembered] = index
	l.Unlock()
	if n == 0 {
		k.created[i] = index
		return
	}
	k.updates.Add(1)
	k.digests.Add(digest(i, n, index))
}

// An ackState says whether the index of an acknowledgement is available.
type ackState int

const (
	acked     ackState = iota
	pending            // not yet acknowledged
	forgotten          // acknowledged, but the index is no longer kept
)

// at returns the index of event n of allocation i.
func (k *acks) at(i, n int) (uint64, ackState) {
	l := &k.locks[i%len(k.locks)]
	l.Lock()
	defer l.Unlock()
	switch count := k.counts[i]; {
	case n > count:
		return 0, pending
	case n <= count-remembered:
		return 0, forgotten
	}
	return k.indexes[i*remembered+n%remembered], acked
}

// last returns the number of events of allocation i, and the index of the last one.
func (k *acks) last(i int) (n int, index uint64) {
	l := &k.locks[i%len(k.locks)]
	l.Lock()
	defer l.Unlock()
	return k.counts[i], k.indexes[i*remembered+k.counts[i]%remembered]
}

// total returns the number of acknowledged updates.
func (k *acks) total() uint64 { return k.updates.Load() }
