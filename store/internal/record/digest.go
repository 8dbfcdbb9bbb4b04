package record

import (
	"encoding/binary"

	"allocstore/schema"
)

// Visible is what a reader sees of an allocation: each part stands for its fields by its checksum,
// and the job by its hash. It has nothing of how the allocation came to be so: no keys, no version
// before, and no record that has a part.
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
// is missed once in 2^32, if it is the allocation's only one; damage to at most 32 bits in a row never
// is. The numbers of several allocations cancel once in 2^64, also if they exchange their content,
// since each is mixed as a whole with its ID. A digest proves nothing against an adversary, who can
// make parts with equal checksums.
func (v *Visible) DigestNumber() uint64 {
	words := [...]uint64{
		binary.BigEndian.Uint64(v.ID[:8]), binary.BigEndian.Uint64(v.ID[8:]),
		binary.BigEndian.Uint64(v.Job[:8]), binary.BigEndian.Uint64(v.Job[8:]),
		v.Created, v.Scheduled, v.Modified,
		uint64(v.SchedSum)<<32 | uint64(v.ClientSum),
	}
	n := uint64(0)
	for i, w := range words {
		n += uint64(2*i+1) * mix(w) // an odd factor keeps all bits
	}
	if v.HasNext {
		n += 17*mix(binary.BigEndian.Uint64(v.Next[:8])) + 19*mix(binary.BigEndian.Uint64(v.Next[8:])) + 1
	}
	return mix(n)
}
