package store

import (
	"sync/atomic"

	"allocstore/schema"
)

// A version is the state of one allocation after one write: where its records
// are, and, once somebody asked, the decoded allocation. It is 64 bytes, one for
// every ID.
//
// A version is immutable but for alloc, which goes once from nil to the decoded
// allocation; whoever loses that race drops an equal one.
type version struct {
	alloc atomic.Pointer[schema.Allocation] // nil: not decoded yet, or a tombstone
	job   *job                              // nil: a tombstone

	created             uint64 // CreateIndex
	schedIndex          uint64 // with schedPos, the record with the scheduler's part
	clientIndex         uint64
	schedPos, clientPos uint32
	schedSum, clientSum uint32 // checksums of the parts, to compare a write with
	hasNext             bool   // NextAllocation is set
}

func (v *version) pair() pair {
	return pair{sched: key{v.schedIndex, v.schedPos}, client: key{v.clientIndex, v.clientPos}}
}

func (v *version) setPair(p pair) {
	v.schedIndex, v.schedPos = p.sched.index, p.sched.pos
	v.clientIndex, v.clientPos = p.client.index, p.client.pos
}

// tombstone reports whether the allocation was deleted by this version.
func (v *version) tombstone() bool { return v.job == nil }

// modified is the index of the write that made the version: the allocation's
// ModifyIndex, or the index of its deletion.
func (v *version) modified() uint64 { return max(v.schedIndex, v.clientIndex) }

// take makes v the version after the record r at k; before it, v was the version
// that r replaces. The parts' checksums are taken from r.
func (v *version) take(r *record, k key, j *job) {
	v.setPair(r.pairAt(k))
	v.hasNext = r.flags&flagNext != 0
	if r.flags&flagSched != 0 {
		v.created, v.job, v.schedSum = r.created, j, sumOf(r.sched)
	}
	if r.flags&flagClient != 0 {
		v.clientSum = sumOf(r.client)
	}
	if r.tombstone() {
		v.job = nil
	}
}

// copyFrom makes v what o is, but not decoded.
func (v *version) copyFrom(o *version) {
	v.job, v.created = o.job, o.created
	v.schedIndex, v.schedPos, v.schedSum = o.schedIndex, o.schedPos, o.schedSum
	v.clientIndex, v.clientPos, v.clientSum = o.clientIndex, o.clientPos, o.clientSum
	v.hasNext = o.hasNext
}
