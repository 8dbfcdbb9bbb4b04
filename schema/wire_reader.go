package schema

import (
	"fmt"
	"math"
)

// maxPrealloc bounds the elements that are allocated for a length that is not verified yet.
// Longer lists grow as their elements are read.
const maxPrealloc = 64

// A reader reads MessagePack from a string. Its results share the memory of the string.
//
// The first fault is kept: it moves the reader to the end, where every further read fails and
// leaves err alone. So decoders check for a fault once, at the end. A length is compared with
// the number of bytes left before memory is allocated for it.
type reader struct {
	src string
	off int
	err error

	// noncanonical is set by any value that the append functions write differently. Only the
	// event ring uses it, because it keeps encoded bytes.
	noncanonical bool
	// checkOnly makes readMap check a map without building it.
	checkOnly bool

	spare   spare      // for the structs of a scheduler's part
	strings ownStrings // a value: a pointer to it would put it on the heap
}

// fail records that want was not found at offset at.
func (r *reader) fail(at int, want string) {
	if r.err != nil {
		return
	}
	found := "the end"
	if at < len(r.src) {
		found = fmt.Sprintf("code %#02x", r.src[at])
	}
	r.err = fmt.Errorf("%w: offset %d: want %s, found %s", ErrMalformed, at, want, found)
	r.off = len(r.src)
}

// end returns the first fault. Bytes that are left over are a fault too.
func (r *reader) end() error {
	if r.err == nil && r.off != len(r.src) {
		r.fail(r.off, "the end")
	}
	return r.err
}

// named adds to err the name of the part that did not decode.
func named(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

func (r *reader) left() int { return len(r.src) - r.off }

// code consumes one byte. ok is false at the end.
func (r *reader) code() (c byte, ok bool) {
	if r.off >= len(r.src) {
		return 0, false
	}
	c = r.src[r.off]
	r.off++
	return c, true
}

// number consumes a big-endian number of 1, 2, 4 or 8 bytes. Each case compiles to one load.
func (r *reader) number(size int) (v uint64, ok bool) {
	if r.left() < size {
		return 0, false
	}
	s := r.src[r.off : r.off+size]
	r.off += size
	switch size {
	case 1:
		v = uint64(s[0])
	case 2:
		v = uint64(s[0])<<8 | uint64(s[1])
	case 4:
		v = uint64(s[0])<<24 | uint64(s[1])<<16 | uint64(s[2])<<8 | uint64(s[3])
	case 8:
		v = uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
			uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
	}
	return v, true
}

// null consumes a nil if one is next.
func (r *reader) null() bool {
	if !r.nullNext() {
		return false
	}
	r.off++
	return true
}

func (r *reader) nullNext() bool { return r.off < len(r.src) && r.src[r.off] == codeNil }

func (r *reader) bool() bool {
	at := r.off
	switch c, ok := r.code(); {
	case ok && c == codeTrue:
		return true
	case !ok || c != codeFalse:
		r.fail(at, "a bool")
	}
	return false
}

func (r *reader) str() string {
	if r.off < len(r.src) {
		at := r.off + 1
		if n := int(r.src[r.off]) - codeFixStr; uint(n) <= fixStrLen && n <= len(r.src)-at {
			r.off = at + n
			return r.src[at : at+n]
		}
	}
	return r.longStr()
}

func (r *reader) longStr() string {
	at := r.off
	c, _ := r.code()
	var n uint64
	var ok bool
	switch c {
	case codeStr8:
		n, ok = r.number(1)
		r.noncanonical = r.noncanonical || n <= fixStrLen
	case codeStr16:
		n, ok = r.number(2)
		r.noncanonical = r.noncanonical || n <= math.MaxUint8
	case codeStr32:
		n, ok = r.number(4)
		r.noncanonical = r.noncanonical || n <= math.MaxUint16
	}
	if !ok || n > uint64(r.left()) {
		r.fail(at, "a string")
		return ""
	}
	s := r.src[r.off : r.off+int(n)]
	r.off += int(n)
	return s
}

// integer consumes an integer of any form. With neg, v is the bits of a negative int64. It is
// noncanonical if it fits the code byte, or half the bytes that it has.
func (r *reader) integer() (v uint64, neg, ok bool) {
	at := r.off
	c, ok := r.code()
	if !ok {
		return 0, false, false
	}
	switch {
	case c <= fixIntMax:
		return uint64(c), false, true
	case c >= codeNegFix:
		return uint64(int64(int8(c))), true, true
	case c >= codeUint8 && c <= codeUint64:
		size := 1 << (c - codeUint8)
		v, ok = r.number(size)
		r.noncanonical = r.noncanonical || v <= fixIntMax || v>>(4*size) == 0
		return v, false, ok
	case c >= codeInt8 && c <= codeInt64:
		size := 1 << (c - codeInt8)
		v, ok = r.number(size)
		shift := 64 - 8*size
		signed := int64(v<<shift) >> shift
		r.noncanonical = r.noncanonical || signed >= fixIntMin || signed>>(4*size-1) == -1
		return uint64(signed), signed < 0, ok
	}
	r.off = at
	return 0, false, false
}

func (r *reader) uint64() uint64 {
	at := r.off
	v, neg, ok := r.integer()
	if !ok || neg {
		r.fail(at, "an integer that is not negative")
		return 0
	}
	return v
}

func (r *reader) int64() int64 {
	at := r.off
	v, neg, ok := r.integer()
	if !ok || !neg && v > math.MaxInt64 {
		r.fail(at, "an integer of 64 bits, signed")
		return 0
	}
	return int64(v)
}

func (r *reader) int() int {
	if r.off < len(r.src) && r.src[r.off] <= fixIntMax {
		r.off++
		return int(r.src[r.off-1])
	}
	at := r.off
	v := r.int64()
	if int64(int(v)) != v {
		r.fail(at, "an integer of this machine's size")
		return 0
	}
	return int(v)
}

func (r *reader) float() float64 {
	at := r.off
	c, _ := r.code()
	if c == codeFloat64 {
		if bits, ok := r.number(8); ok {
			return math.Float64frombits(bits)
		}
	}
	if c == codeFloat32 {
		if bits, ok := r.number(4); ok {
			return float64(math.Float32frombits(uint32(bits)))
		}
	}
	r.fail(at, "a float")
	return 0
}

// arrayLen consumes the head of an array, or a nil, which is an empty array. Each element takes
// at least a byte, so a length above the number of bytes left is a fault.
func (r *reader) arrayLen() int {
	if r.off < len(r.src) {
		if n := int(r.src[r.off]) - codeFixArray; uint(n) <= fixListLen && n < len(r.src)-r.off {
			r.off++
			return n
		}
	}
	return r.length(codeArray16, 1, "an array")
}

// mapLen is arrayLen for maps, whose elements are two values each.
func (r *reader) mapLen() int {
	if r.off < len(r.src) {
		if n := int(r.src[r.off]) - codeFixMap; uint(n) <= fixListLen && 2*n < len(r.src)-r.off {
			r.off++
			return n
		}
	}
	return r.length(codeMap16, 2, "a map")
}

// length consumes a nil, or a head with a length of two or four bytes. Their codes are code16
// and the one after it.
func (r *reader) length(code16 byte, valuesEach int, want string) int {
	at := r.off
	c, ok := r.code()
	var n uint64
	switch {
	case c == codeNil && ok:
		return 0
	case c == code16:
		n, ok = r.number(2)
		r.noncanonical = r.noncanonical || n <= fixListLen
	case c == code16+1:
		n, ok = r.number(4)
		r.noncanonical = r.noncanonical || n <= math.MaxUint16
	default:
		ok = false
	}
	if !ok || n*uint64(valuesEach) > uint64(r.left()) {
		r.fail(at, want+" that fits the bytes left")
		return 0
	}
	return int(n)
}

// skip consumes one value of any kind, such as a field of a newer writer. It counts the values
// still to come instead of recursing, so that depth costs no memory.
func (r *reader) skip() {
	for pending := 1; pending > 0; pending-- {
		at := r.off
		if at < len(r.src) {
			k := &heads[r.src[at]]
			if size, values := 1+int(k.size), int(k.values); k.lenBytes == 0 && !k.unknown && size+values <= len(r.src)-at {
				r.off += size
				pending += values
				continue
			}
		}
		size, values, ok := r.head()
		if !ok || size > uint64(r.left()) || values > uint64(r.left()) {
			r.fail(at, "a value")
			return
		}
		r.off += int(size)
		pending += int(values)
	}
}

// head consumes a value's head. It is followed by size bytes, then by values more values.
func (r *reader) head() (size, values uint64, ok bool) {
	c, ok := r.code()
	if !ok {
		return 0, 0, false
	}
	var n uint64
	if lenBytes := heads[c].lenBytes; lenBytes > 0 {
		n, ok = r.number(int(lenBytes))
	}
	size, values = heads[c].follows(n)
	return size, values, ok && !heads[c].unknown
}

// headKind describes the head with a certain code. The code is followed by a length of lenBytes,
// then by size + length*bytesEach bytes and values + length*valuesEach values.
type headKind struct {
	unknown            bool // no value begins with the code
	lenBytes           uint8
	size, bytesEach    uint8
	values, valuesEach uint8
}

// follows returns the number of bytes and values that follow a head with length n.
func (h headKind) follows(n uint64) (size, values uint64) {
	return uint64(h.size) + n*uint64(h.bytesEach), uint64(h.values) + n*uint64(h.valuesEach)
}

// heads has the headKind of each code.
var heads = func() (t [256]headKind) {
	t[0xc1].unknown = true
	for n := range fixListLen + 1 {
		t[codeFixArray+n].values = uint8(n)
		t[codeFixMap+n].values = uint8(2 * n)
	}
	for n := range fixStrLen + 1 {
		t[codeFixStr+n].size = uint8(n)
	}
	for i := range 3 {
		lenBytes := uint8(1) << i
		t[codeStr8+i] = headKind{lenBytes: lenBytes, bytesEach: 1}
		t[codeBin8+i] = headKind{lenBytes: lenBytes, bytesEach: 1}
		t[codeExt8+i] = headKind{lenBytes: lenBytes, bytesEach: 1, size: 1}
	}
	for i := range 2 {
		lenBytes := uint8(2) << i
		t[codeArray16+i] = headKind{lenBytes: lenBytes, valuesEach: 1}
		t[codeMap16+i] = headKind{lenBytes: lenBytes, valuesEach: 2}
	}
	for i := range 4 {
		t[codeUint8+i].size = 1 << i
		t[codeInt8+i].size = 1 << i
	}
	for i := range codeFixExt16 - codeFixExt1 + 1 {
		t[codeFixExt1+i].size = 1 + 1<<i
	}
	t[codeFloat32].size, t[codeFloat64].size = 4, 8
	return t
}()

// readMap reads a map. A key that occurs twice is a fault. The map of an empty one is nil. It
// sets r.noncanonical if the keys are not in order. With r.checkOnly it builds no map.
func readMap[V any](r *reader, key func() string, value func() V) map[string]V {
	at := r.off
	n := r.mapLen()
	if n == 0 {
		r.noncanonical = r.noncanonical || !r.zeroSince(at)
		return nil
	}
	var m map[string]V
	if !r.checkOnly {
		m = make(map[string]V, min(n, maxPrealloc))
	}
	var last string
	for i := range n {
		at := r.off
		k := key()
		v := value()
		r.noncanonical = r.noncanonical || i > 0 && k <= last
		last = k
		if m == nil {
			continue
		}
		if m[k] = v; len(m) != i+1 {
			r.fail(at, "a key that is new to its map")
			return nil
		}
	}
	return m
}
