package store

import (
	"sync/atomic"

	"allocstore/schema"
)

// A version is the state of one allocation after one write: where its records
// are, and a decoded allocation that may be this version's or an earlier one's.
// It is 64 bytes, one for every ID.
//
// A write decodes nothing: who only writes pays for no reader. Whoever reads a
// version first decodes it, and takes over from the allocation that is there
// what the client does not own.
type version struct {
	// alloc is nil, or the decoded allocation of this version, or of an earlier
	// one that has the scheduler's part in common; ask current. Once the version is
	// in the table, it is stored under the lock of the ID's shard.
	alloc atomic.Pointer[schema.Allocation]

	content // immutable
}

// content is what a version is, decoded or not.
type content struct {
	job *job // nil: a tombstone

	created             uint64 // CreateIndex
	schedIndex          uint64 // with schedPos, the record with the scheduler's part
	clientIndex         uint64
	schedPos, clientPos uint32
	schedSum, clientSum uint32 // checksums of the parts, to compare a write with

	// The bytes that these records take in the file, keys included; 0 for one that
	// is not there. The lowest bit of nextAndClientLen says that NextAllocation is
	// set, the others are the length.
	schedLen, nextAndClientLen uint32
}

// equal reports whether both say the same, of jobs with the same content.
func (c *content) equal(o *content) bool {
	same := *o
	if c.job != nil && o.job != nil && c.job.hash == o.job.hash {
		same.job = c.job
	}
	return *c == same
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

// current returns the decoded allocation of v, or nil if v is not decoded.
func (v *version) current() *schema.Allocation {
	if a := v.alloc.Load(); a != nil && a.ModifyIndex == v.modified() {
		return a
	}
	return nil
}

// hasNext reports whether NextAllocation is set.
func (c *content) hasNext() bool { return c.nextAndClientLen&1 != 0 }

func (c *content) clientLen() uint32 { return c.nextAndClientLen >> 1 }

// whole reports whether the records of both parts are there.
func (c *content) whole() bool { return c.schedLen != 0 && c.clientLen() != 0 }

// bytes is what the version's records take in the file.
func (c *content) bytes() int64 {
	if p := c.pair(); p.sched == p.client {
		return int64(c.schedLen)
	}
	return int64(c.schedLen) + int64(c.clientLen())
}

// take makes c the version after the record r, which has size bytes at k; before
// it, c was the version that r replaces, or what is left of it. The sums are those
// of the parts that r has.
func (c *content) take(r *record, k key, j *job, size int, schedSum, clientSum uint32) {
	was, now := c.pair(), r.pairAt(k)
	c.setPair(now)
	length := func(was, now key, old uint32) uint32 {
		switch now {
		case k:
			return uint32(size)
		case was:
			return old
		}
		return 0
	}
	c.schedLen = length(was.sched, now.sched, c.schedLen)
	c.nextAndClientLen = length(was.client, now.client, c.clientLen()) << 1
	if r.flags&flagNext != 0 {
		c.nextAndClientLen |= 1
	}
	if r.flags&flagSched != 0 {
		c.created, c.job, c.schedSum = r.created, j, schedSum
	}
	if r.flags&flagClient != 0 {
		c.clientSum = clientSum
	}
	if r.tombstone() { // of what is gone nothing stays, for its records may go before this one
		c.job, c.created, c.schedSum, c.clientSum = nil, 0, 0, 0
	}
}
