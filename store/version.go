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
	content
}

// content is what a version is, decoded or not.
type content struct {
	job *job // nil: a tombstone

	created             uint64 // CreateIndex
	schedIndex          uint64 // with schedPos, the record with the scheduler's part
	clientIndex         uint64
	schedPos, clientPos uint32
	schedSum, clientSum uint32 // checksums of the parts, to compare a write with
	hasNext             bool   // NextAllocation is set
}

func (c *content) pair() pair {
	return pair{sched: key{c.schedIndex, c.schedPos}, client: key{c.clientIndex, c.clientPos}}
}

func (c *content) setPair(p pair) {
	c.schedIndex, c.schedPos = p.sched.index, p.sched.pos
	c.clientIndex, c.clientPos = p.client.index, p.client.pos
}

// tombstone reports whether the allocation was deleted by this version.
func (c *content) tombstone() bool { return c.job == nil }

// modified is the index of the write that made the version: the allocation's
// ModifyIndex, or the index of its deletion.
func (c *content) modified() uint64 { return max(c.schedIndex, c.clientIndex) }

// take makes c the version after the record r at k; before it, c was the version
// that r replaces. The parts' checksums are taken from r.
func (c *content) take(r *record, k key, j *job) {
	c.setPair(r.pairAt(k))
	c.hasNext = r.flags&flagNext != 0
	if r.flags&flagSched != 0 {
		c.created, c.job, c.schedSum = r.created, j, sumOf(r.sched)
	}
	if r.flags&flagClient != 0 {
		c.clientSum = sumOf(r.client)
	}
	if r.tombstone() {
		c.job = nil
	}
}
