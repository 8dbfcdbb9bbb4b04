package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"allocstore/index"
)

// keyLen is the length of a key in the file.
const keyLen = 12

// A key is where a record stands in the log: the index of its batch, and its
// position in it. In the file it is both in big endian, so that keys sort as the
// records were written and every write goes to the right edge of the B+tree.
//
// The zero key means "no record": no batch has index 0.
type key struct {
	index uint64
	pos   uint32
}

// appendTo appends the key as it is in the file.
func (k key) appendTo(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, k.index), k.pos)
}

// parseKey reads a key at the start of b, which has at least keyLen bytes.
func parseKey(b []byte) key {
	return key{index: binary.BigEndian.Uint64(b), pos: binary.BigEndian.Uint32(b[8:])}
}

// next is the lowest key after k.
func (k key) next() key {
	if k.pos == math.MaxUint32 {
		return firstAfter(k.index)
	}
	return key{k.index, k.pos + 1}
}

// firstAfter is the lowest key that a record above the index last can have, or one
// that is none.
func firstAfter(last uint64) key {
	next, err := index.Next(last)
	if err != nil {
		return key{last, math.MaxUint32}
	}
	return key{index: next}
}

// none reports whether k is what firstAfter returns when no index is left.
func (k key) none() bool { return k.index >= math.MaxUint64-1 && k.pos == math.MaxUint32 }

// after reports whether k was written after o.
func (k key) after(o key) bool {
	return k.index > o.index || k.index == o.index && k.pos > o.pos
}

// String returns "index.position".
func (k key) String() string { return fmt.Sprintf("%d.%d", k.index, k.pos) }

// latest returns whichever key was written last.
func latest(a, b key) key {
	if b.after(a) {
		return b
	}
	return a
}

// A pair of keys is what an allocation's content at one index consists of: the
// newest record with the scheduler's part and the newest with the client's. They
// are equal after an insert. After a delete both name the tombstone, and before
// the first insert both are zero.
type pair struct {
	sched, client key
}

// newest is the record that made this version.
func (p pair) newest() key { return latest(p.sched, p.client) }
