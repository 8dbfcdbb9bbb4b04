package state

import (
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/record"
)

// A Version is an allocation after one write: where its records are, and a decoded
// allocation, which may be of this version or of an earlier one. It is 80 bytes, one for
// every ID.
//
// A write decodes nothing. The first reader of a version decodes it, and reuses the
// scheduler's part of the decoded allocation that is there.
type Version struct {
	// alloc is nil, or the decoded allocation of this version, or of an earlier one with
	// the same scheduler's part; Current tells. Once the version is in the table, alloc is
	// stored under the lock of the ID's shard.
	alloc atomic.Pointer[schema.Allocation]

	Content // immutable
}

// Content is a version without its decoded allocation.
type Content struct {
	Job *Job // nil: a tombstone

	Created             uint64 // CreateIndex
	schedIndex          uint64 // with schedPos, the key of the record with the scheduler's part
	clientIndex         uint64
	schedPos, clientPos uint32
	SchedSum, ClientSum uint32 // checksums of the parts; a write is compared by them first

	// The bytes that these records take in the file, keys included; 0 for a missing record.
	// The lowest bit of nextAndClientLen says that NextAllocation is set, the others are
	// the length.
	schedLen, nextAndClientLen uint32

	// Place says which lists the allocation is in. Its numbers mean something in one State only.
	Place lists.Place
}

// equal reports whether c and o, which are of different states, are equal. Jobs are compared by hash.
// Of the places only that is compared that means the same in both states.
func (c *Content) equal(o *Content) bool {
	same := *o
	if c.Job != nil && o.Job != nil && c.Job.Hash == o.Job.Hash {
		same.Job = c.Job
	}
	if c.Place.Terminal == o.Place.Terminal && c.Place.Unplaced() == o.Place.Unplaced() {
		same.Place = c.Place
	}
	return *c == same
}

// Pair returns the keys of the version's records.
func (c *Content) Pair() record.Pair {
	return record.Pair{Sched: record.Key{Index: c.schedIndex, Pos: c.schedPos}, Client: record.Key{Index: c.clientIndex, Pos: c.clientPos}}
}

func (c *Content) setPair(p record.Pair) {
	c.schedIndex, c.schedPos = p.Sched.Index, p.Sched.Pos
	c.clientIndex, c.clientPos = p.Client.Index, p.Client.Pos
}

// Tombstone reports whether this version deleted the allocation.
func (c *Content) Tombstone() bool { return c.Job == nil }

// Modified returns the index of the write that made the version: the allocation's
// ModifyIndex, or the index of its deletion.
func (c *Content) Modified() uint64 { return max(c.schedIndex, c.clientIndex) }

// Scheduled returns the index of the scheduler's latest write: the allocation's
// AllocModifyIndex, or the index of its deletion.
func (c *Content) Scheduled() uint64 { return c.schedIndex }

// HasNext reports whether NextAllocation is set.
func (c *Content) HasNext() bool { return c.nextAndClientLen&1 != 0 }

// ClientLen returns the bytes in the file of the record with the client's part.
func (c *Content) ClientLen() uint32 { return c.nextAndClientLen >> 1 }

// SchedLen returns the bytes in the file of the record with the scheduler's part.
func (c *Content) SchedLen() uint32 { return c.schedLen }

// whole reports whether the records of both parts exist.
func (c *Content) whole() bool { return c.schedLen != 0 && c.ClientLen() != 0 }

// Bytes returns the bytes that the version's records take in the file.
func (c *Content) Bytes() int64 {
	if p := c.Pair(); p.Sched == p.Client {
		return int64(c.schedLen)
	}
	return int64(c.schedLen) + int64(c.ClientLen())
}

// follows reports whether a record that names the version prev may come after c: they are
// the same version, or compaction, which removes records up to the floor, has removed part
// of prev.
func (c *Content) follows(prev record.Pair, floor uint64) bool {
	same := func(was, prev record.Key) bool {
		return prev == was || prev != (record.Key{}) && prev.Index <= floor
	}
	was := c.Pair()
	return same(was.Sched, prev.Sched) && same(was.Client, prev.Client)
}

// Parts describe the parts of a record: their checksums, and where they place the allocation.
type Parts struct {
	SchedSum, ClientSum uint32
	Place               lists.Place
}

// Advance advances c, which was the version that r replaces, to the version that r makes.
// r is stored under k and takes size bytes in the file; j is its job. The checksums are of the
// parts that it has, the place is that of the new version.
func (c *Content) Advance(r *record.Record, k record.Key, size int, j *Job, parts Parts) {
	was, now := c.Pair(), r.PairAt(k)
	c.setPair(now)
	length := func(was, now record.Key, old uint32) uint32 {
		switch now {
		case k:
			return uint32(size)
		case was:
			return old
		}
		return 0
	}
	c.schedLen = length(was.Sched, now.Sched, c.schedLen)
	c.nextAndClientLen = length(was.Client, now.Client, c.ClientLen()) << 1
	if r.Flags&record.FlagNext != 0 {
		c.nextAndClientLen |= 1
	}
	if r.Flags&record.FlagSched != 0 {
		c.Created, c.Job, c.SchedSum = r.Created, j, parts.SchedSum
	}
	if r.Flags&record.FlagClient != 0 {
		c.ClientSum = parts.ClientSum
	}
	c.Place = parts.Place
	if r.Tombstone() { // compaction may remove the older records before the tombstone
		c.Job, c.Created, c.SchedSum, c.ClientSum, c.Place = nil, 0, 0, 0, lists.Place{}
	}
}

// Current returns the decoded allocation of v, or nil if v is not decoded.
func (v *Version) Current() *schema.Allocation {
	if a := v.alloc.Load(); a != nil && a.ModifyIndex == v.Modified() {
		return a
	}
	return nil
}

// DecodedScheduler returns a decoded allocation with the scheduler's part of v, or nil.
func (v *Version) DecodedScheduler() *schema.Allocation { return v.alloc.Load() }

// ReuseScheduled takes over the decoded allocation of before, which has the same
// scheduler's part. v is not in the table yet.
func (v *Version) ReuseScheduled(before *Version) { v.alloc.Store(before.alloc.Load()) }
