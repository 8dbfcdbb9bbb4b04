package main

import (
	"sync"
	"sync/atomic"
)

// remembered is how many acknowledgements of an allocation are kept.
const remembered = 64

// acks are the indexes that the writers were given, by allocation and event.
type acks struct {
	locks   []sync.Mutex // of the allocations of one writer each
	counts  []int        // of the events of each allocation that were acknowledged
	indexes []uint64     // of the latest of them, remembered for each allocation
	created []uint64     // of the inserts; not written after placing

	// How many updates were acknowledged, and the sum of what digest makes of them.
	updates, digests atomic.Uint64
}

func newAcks(allocs, writers int) *acks {
	return &acks{
		locks:  make([]sync.Mutex, writers),
		counts: make([]int, allocs), indexes: make([]uint64, allocs*remembered), created: make([]uint64, allocs),
	}
}

// digest is a number that another update, or another index of it, hardly has.
func digest(i, n int, index uint64) uint64 {
	x := uint64(i)<<32 ^ uint64(n)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27 ^ index) * 0x94d049bb133111eb
	x = (x ^ x>>31) * 0x9e3779b97f4a7c15
	return x ^ x>>32
}

// record notes that event n of allocation i, from 1, was acknowledged at index; 0
// stands for the insert.
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

// An ackState says whether the index of an event's acknowledgement is at hand.
type ackState int

const (
	acked     ackState = iota
	pending            // not acknowledged yet
	forgotten          // acknowledged too long ago to be remembered
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

// last returns how many events of allocation i there are, and the index of the
// last one.
func (k *acks) last(i int) (n int, index uint64) {
	l := &k.locks[i%len(k.locks)]
	l.Lock()
	defer l.Unlock()
	return k.counts[i], k.indexes[i*remembered+k.counts[i]%remembered]
}

// total returns how many updates were acknowledged.
func (k *acks) total() uint64 { return k.updates.Load() }
