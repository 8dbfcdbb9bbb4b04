package record

import (
	"encoding/binary"
	"fmt"
	"math"
)

// KeyLen is the length of a key in the file.
const KeyLen = 12

// A Key is the place of a record in the log: the index of its batch and the position
// within it. Both are stored in big endian, so keys sort as the records were written,
// and every write goes to the right edge of the B+tree.
//
// The zero key means "no record": no batch has index 0.
type Key struct {
	Index uint64
	Pos   uint32
}

// AppendTo appends the key as the file has it.
func (k Key) AppendTo(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, k.Index), k.Pos)
}

// ParseKey reads a key at the start of b, which has at least KeyLen bytes.
func ParseKey(b []byte) Key {
	return Key{Index: binary.BigEndian.Uint64(b), Pos: binary.BigEndian.Uint32(b[8:])}
}

// Next returns the lowest key after k.
func (k Key) Next() Key {
	if k.Pos == math.MaxUint32 {
		return FirstAfter(k.Index)
	}
	return Key{k.Index, k.Pos + 1}
}

// FirstAfter returns the lowest key above the index last. If no index is left it returns
// a key that no record has; see Exhausted.
func FirstAfter(last uint64) Key {
	if last >= math.MaxUint64-1 { // as index.Next
		return Key{last, math.MaxUint32}
	}
	return Key{Index: last + 1}
}

// Exhausted reports whether k is what FirstAfter returns when no index is left.
func (k Key) Exhausted() bool { return k.Index >= math.MaxUint64-1 && k.Pos == math.MaxUint32 }

// After reports whether k was written after o.
func (k Key) After(o Key) bool {
	return k.Index > o.Index || k.Index == o.Index && k.Pos > o.Pos
}

// String returns "index.position".
func (k Key) String() string { return fmt.Sprintf("%d.%d", k.Index, k.Pos) }

// A Pair of keys locates one version of an allocation: the newest record with the
// scheduler's part and the newest with the client's. They are equal after an insert.
// After a deletion both name the tombstone, and before the first insert both are zero.
type Pair struct {
	Sched, Client Key
}

// Newest returns the key of the record that made this version.
func (p Pair) Newest() Key {
	if p.Client.After(p.Sched) {
		return p.Client
	}
	return p.Sched
}
