package record

import "encoding/binary"

// A ContentSum stands for a set of records and jobs. The file keeps one of all that it
// holds, every transaction updates it, and Open computes it anew.
//
// A checksum proves that a record is intact. It does not prove that all records exist: a
// page whose last write the disk has lost is valid by itself, and shows older content. The
// sum then differs.
//
// It is a sum modulo 2^64 with one well mixed number for each record and job, so a
// transaction adds and subtracts its changes in any order.
type ContentSum uint64

// Add adds the number of a record or a job.
func (c *ContentSum) Add(n uint64) { *c += ContentSum(n) }

// Remove subtracts the number of a record or a job.
func (c *ContentSum) Remove(n uint64) { *c -= ContentSum(n) }

// SumNumber returns the number in a ContentSum of the record with that value at k. The
// value is at least as long as the checksum at its start.
func SumNumber(k Key, value []byte) uint64 {
	return mix(mix(k.Index)+uint64(k.Pos)) ^ mix(uint64(binary.BigEndian.Uint32(value[binHeader:]))<<32|uint64(len(value)))
}

// ManifestSum returns the sum of a content and of the three indexes kept with it.
func (c ContentSum) ManifestSum(last, floor, restored uint64) uint64 {
	return uint64(c) + mix(last) + 3*mix(floor+1) + 5*mix(restored+2)
}

// TransactionNumber returns the number that the ID of a transaction adds to a sum.
func TransactionNumber(txid uint64) uint64 { return 7 * mix(txid+3) }

// mix is a bijection that spreads every bit over all: the last step of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
