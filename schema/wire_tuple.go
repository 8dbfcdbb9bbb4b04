package schema

import (
	"encoding/binary"
	"slices"
)

// tuple writes a struct as an array of its fields, in an order that is only
// ever appended to. Zero fields at the end are left out, so that a field added
// later costs nothing where it is not used, and a struct has one form whoever
// wrote it, as long as nobody set what only the newer writer knows.
type tuple struct {
	dst     []byte
	start   int // where the array's code is
	keptEnd int // where the last field that is not zero ends
	n       int // fields written
	kept    int // fields up to the last that is not zero
}

func openTuple(dst []byte) tuple {
	start := len(dst)
	return tuple{dst: append(dst, codeFixArray), start: start, keptEnd: start + 1}
}

// put takes the bytes with one more field appended.
func (t *tuple) put(dst []byte, set bool) {
	t.dst = dst
	t.n++
	if set {
		t.kept, t.keptEnd = t.n, len(dst)
	}
}

func (t *tuple) str(v string)  { t.put(appendString(t.dst, v), v != "") }
func (t *tuple) int(v int64)   { t.put(appendInt(t.dst, v), v != 0) }
func (t *tuple) uint(v uint64) { t.put(appendUint(t.dst, v), v != 0) }
func (t *tuple) bool(v bool)   { t.put(appendBool(t.dst, v), v) }

// part takes the bytes with one more field appended that is itself a tuple;
// an empty one is zero.
func (t *tuple) part(dst []byte) {
	t.put(dst, dst[len(t.dst)] != codeFixArray)
}

// close returns the bytes with the tuple complete.
func (t *tuple) close() []byte {
	dst := t.dst[:t.keptEnd]
	if t.kept <= fixListLen {
		dst[t.start] = codeFixArray | byte(t.kept)
		return dst
	}
	dst = slices.Insert(dst, t.start+1, 0, 0)
	dst[t.start] = codeArray16
	binary.BigEndian.PutUint16(dst[t.start+1:], uint16(t.kept))
	return dst
}
