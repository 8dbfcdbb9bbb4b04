package schema

import (
	"encoding/binary"
	"math"
	"slices"
)

// MessagePack's format codes, see https://github.com/msgpack/msgpack/blob/master/spec.md.
// They are the values of msgpack/v5/msgpcode, which has them as variables; a
// switch over constants is a jump table. A test compares the two.
const (
	codeFixMap   = 0x80
	codeFixArray = 0x90
	codeFixStr   = 0xa0
	codeNil      = 0xc0
	codeFalse    = 0xc2
	codeTrue     = 0xc3
	codeBin8     = 0xc4
	codeBin16    = 0xc5
	codeBin32    = 0xc6
	codeExt8     = 0xc7
	codeExt16    = 0xc8
	codeExt32    = 0xc9
	codeFloat32  = 0xca
	codeFloat64  = 0xcb
	codeUint8    = 0xcc
	codeUint16   = 0xcd
	codeUint32   = 0xce
	codeUint64   = 0xcf
	codeInt8     = 0xd0
	codeInt16    = 0xd1
	codeInt32    = 0xd2
	codeInt64    = 0xd3
	codeFixExt1  = 0xd4
	codeFixExt16 = 0xd8
	codeStr8     = 0xd9
	codeStr16    = 0xda
	codeStr32    = 0xdb
	codeArray16  = 0xdc
	codeArray32  = 0xdd
	codeMap16    = 0xde
	codeMap32    = 0xdf
	codeNegFix   = 0xe0 // and above: -32 to -1
)

// Limits of the values that the code byte itself can hold.
const (
	fixStrLen  = 31
	fixListLen = 15
	fixIntMax  = 0x7f
	fixIntMin  = -32
)

// The append functions below write one value each, always in its smallest form. So equal
// values are equal bytes, by which the store recognizes a write that changes nothing.

func appendNil(dst []byte) []byte { return append(dst, codeNil) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, codeTrue)
	}
	return append(dst, codeFalse)
}

func appendUint(dst []byte, v uint64) []byte {
	switch {
	case v <= fixIntMax:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, codeUint8, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, codeUint16), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, codeUint32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, codeUint64), v)
}

// appendInt writes a non-negative integer as appendUint does, so that an integer has one form
// for all Go types.
func appendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return appendUint(dst, uint64(v))
	case v >= fixIntMin:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, codeInt8, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, codeInt16), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, codeInt32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, codeInt64), uint64(v))
}

// appendFloat never writes the shorter forms: an integral float must come back as a float.
func appendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, codeFloat64), math.Float64bits(v))
}

func appendString(dst []byte, s string) []byte {
	n := len(s)
	switch {
	case n <= fixStrLen:
		dst = append(dst, codeFixStr|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, codeStr8, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, codeStr16), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, codeStr32), uint32(n))
	}
	return append(dst, s...)
}

func appendArrayLen(dst []byte, n int) []byte { return appendLen(dst, n, codeFixArray, codeArray16) }

func appendMapLen(dst []byte, n int) []byte { return appendLen(dst, n, codeFixMap, codeMap16) }

// appendLen writes a length in the code byte fix, or after code16 or the code after it.
func appendLen(dst []byte, n int, fix, code16 byte) []byte {
	switch {
	case n <= fixListLen:
		return append(dst, fix|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, code16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, code16+1), uint32(n))
}

// appendMap writes a map in the order of its keys. An empty map is written as nil.
func appendMap[V any](dst []byte, m map[string]V, appendOne func([]byte, V) []byte) []byte {
	if len(m) == 0 {
		return appendNil(dst)
	}
	dst = appendMapLen(dst, len(m))
	if len(m) == 1 {
		for key, v := range m {
			dst = appendOne(appendString(dst, key), v)
		}
		return dst
	}
	var room [8]string
	for _, key := range sortedKeys(m, room[:0]) {
		dst = appendOne(appendString(dst, key), m[key])
	}
	return dst
}

// sortedKeys appends the keys of m to keys, in order.
func sortedKeys[V any](m map[string]V, keys []string) []string {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
