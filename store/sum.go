package store

import "encoding/binary"

// A contentSum stands for all that the file holds: every record, every job, and
// what the meta bucket says of them. It is kept with every transaction and
// worked out anew by Open.
//
// Checksums say that a record is what was written. They do not say that all that
// was written is there: a page that the disk has lost a write of is right in itself,
// and shows what was there before. The sum then differs.
//
// It is a sum modulo 2^64 of one well mixed number for each thing, so that what a
// transaction adds and removes is added and taken off, in any order.
type contentSum uint64

func (c *contentSum) add(n uint64)    { *c += contentSum(n) }
func (c *contentSum) remove(n uint64) { *c -= contentSum(n) }

// ofRecord is the number of a record, which is more than a checksum long.
func ofRecord(k key, value []byte) uint64 {
	return mix(mix(k.index)+uint64(k.pos)) ^ mix(uint64(binary.BigEndian.Uint32(value[binHeader:]))<<32|uint64(len(value)))
}

// ofJob is the number of a job.
func ofJob(h jobHash) uint64 {
	return mix(binary.BigEndian.Uint64(h[:8])) ^ binary.BigEndian.Uint64(h[8:])
}

// contents are what the file holds, in numbers.
type contents struct {
	sum                   contentSum
	last, floor, restored uint64 // as the meta bucket has them
	bound                 bool   // the sum in the file is that of its transaction; see encodedIn
}

// total is the sum of all of it.
func (c *contents) total() uint64 {
	return uint64(c.sum) + mix(c.last) + 3*mix(c.floor+1) + 5*mix(c.restored+2)
}

// encoded is the sum of all of it, as it stands in a backup, and in files of format 1.
func (c *contents) encoded() []byte { return binary.BigEndian.AppendUint64(nil, c.total()) }

// encodedIn is the sum as a transaction leaves it in the file. A meta page may be on the
// disk, and the pages that the transaction wrote not; where it leads to there may then
// be pages of an earlier one, which are right in themselves, sum and all. They are not
// of this transaction.
func (c *contents) encodedIn(txid uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, c.total()+7*mix(txid+3))
}

// mix is a bijection that spreads every bit over all: the last step of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
