package schema

import (
	"encoding/binary"
	"slices"
)

// A tuple writes a struct as an array of its fields. New fields come only at the end. Zero
// fields at the end are left out: so a new field that is not set costs no bytes, and older and
// newer writers write the same bytes.
type tuple struct {
	dst []byte
	progress
}

// progress is how far a tuple is written.
type progress struct {
	start   int // offset of the array's code
	keptEnd int // end of the last field that is not zero
	n       int // fields written
	kept    int // fields up to the last that is not zero
}

func openTuple(dst []byte) tuple {
	t := tuple{dst: dst}
	t.open()
	return t
}

// open opens a tuple that is a field of t, and returns t's own progress. After close, the
// caller sets it again.
func (t *tuple) open() (outer progress) {
	outer = t.progress
	t.progress = progress{start: len(t.dst), keptEnd: len(t.dst) + 1}
	t.dst = append(t.dst, codeFixArray)
	return outer
}

// field ends a field: dst has its bytes appended.
func (t *tuple) field(dst []byte, set bool) {
	t.dst = dst
	t.n++
	if set {
		t.kept, t.keptEnd = t.n, len(dst)
	}
}

// fieldSince ends a field whose bytes begin at offset at.
func (t *tuple) fieldSince(at int) {
	t.field(t.dst, len(t.dst) != at+1 || !zeroCode(t.dst[at]))
}

// zeroCode reports whether code alone is a zero field.
func zeroCode(code byte) bool {
	return code == codeFixStr || code == 0 || code == codeFalse || code == codeNil
}

// zero appends a zero field. Most fields of most structs are zero, so str and int have a short
// way for it.
func (t *tuple) zero(code byte) {
	t.dst = append(t.dst, code)
	t.n++
}

func (t *tuple) str(v string) {
	if v == "" {
		t.zero(codeFixStr)
		return
	}
	t.field(appendString(t.dst, v), true)
}

func (t *tuple) int(v int64) {
	if v == 0 {
		t.zero(0)
		return
	}
	t.field(appendInt(t.dst, v), true)
}

func (t *tuple) uint(v uint64) { t.field(appendUint(t.dst, v), v != 0) }
func (t *tuple) bool(v bool)   { t.field(appendBool(t.dst, v), v) }

// close completes the tuple, and returns all bytes.
func (t *tuple) close() []byte {
	t.dst = t.dst[:t.keptEnd]
	if t.kept <= fixListLen {
		t.dst[t.start] = codeFixArray | byte(t.kept)
		return t.dst
	}
	t.dst = slices.Insert(t.dst, t.start+1, 0, 0)
	t.dst[t.start] = codeArray16
	binary.BigEndian.PutUint16(t.dst[t.start+1:], uint16(t.kept))
	return t.dst
}
