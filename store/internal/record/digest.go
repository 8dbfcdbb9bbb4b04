package record

import (
	"encoding/binary"

	"allocstore/schema"
)

// A Visible describes an allocation as a reader sees it: the checksum of each part stands for its
// fields, and the hash for the job. It has nothing of the allocation's history: no keys, and no
// version before.
type Visible struct {
	ID                  schema.ID
	HasNext             bool
	Next                schema.ID // NextAllocation, zero without HasNext
	Job                 JobHash
	Created             uint64 // CreateIndex
	Scheduled           uint64 // AllocModifyIndex
	Modified            uint64 // ModifyIndex
	SchedSum, ClientSum uint32 // see PartSum
}

// DigestNumber returns the allocation's number in a digest, which is the sum of the numbers of all
// allocations modulo 2^64. Two stores with equal sums have, in all probability, equal allocations.
//
// A digest finds accidents: a replica that computed something else, or memory that was changed. A
// difference in an index, or in one word of an ID or a hash, always changes the number. One in a part
// is missed once in 2^32, if it is the allocation's only one; damage to at most 32 bits in a row is
// always found. The numbers of several allocations cancel once in 2^64, also if they exchange their
// content, since each is mixed as a whole with its ID. A digest proves nothing against an adversary:
// parts with equal checksums are easily made.
func (v *Visible) DigestNumber() uint64 {
	// Each odd factor keeps all bits of its word, and tells it from the others.
	n := mix(high(v.ID[:])) + 3*mix(low(v.ID[:])) +
		5*mix(high(v.Job[:])) + 7*mix(low(v.Job[:])) +
		9*mix(v.Created) + 11*mix(v.Scheduled) + 13*mix(v.Modified) +
		15*mix(uint64(v.SchedSum)<<32|uint64(v.ClientSum))
	if v.HasNext {
		n += 17*mix(high(v.Next[:])) + 19*mix(low(v.Next[:])) + 1
	}
	return mix(n)
}

func high(id []byte) uint64 { return binary.BigEndian.Uint64(id[:8]) }
func low(id []byte) uint64  { return binary.BigEndian.Uint64(id[8:16]) }
