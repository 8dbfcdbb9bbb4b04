package schema

import (
	"encoding/json"
	"time"
)

func appendStrings(dst []byte, list []string) []byte {
	if len(list) == 0 {
		return appendNil(dst)
	}
	dst = appendArrayLen(dst, len(list))
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return dst
}

func appendStringMap(dst []byte, m map[string]string) []byte { return appendMap(dst, m, appendString) }

func appendScores(dst []byte, m map[string]float64) []byte { return appendMap(dst, m, appendFloat) }

func appendCounts(dst []byte, m map[string]int) []byte {
	return appendMap(dst, m, func(dst []byte, n int) []byte { return appendInt(dst, int64(n)) })
}

func (r *reader) counts() map[string]int { return readMap(r, r.interned, r.int) }

func (r *reader) scores() map[string]float64 { return readMap(r, r.scoreName, r.float) }

func (r *reader) stringList() []string {
	n := r.arrayLen()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, maxPrealloc))
	for range n {
		list = append(list, r.str())
	}
	return list
}

func (r *reader) stringMap() map[string]string { return readMap(r, r.str, r.str) }

// appendConfig writes a driver's configuration. It reports whether that has a value which the
// bytes do not keep.
func appendConfig(dst []byte, config map[string]any) (_ []byte, l loss) {
	dst = appendMap(dst, config, func(dst []byte, v any) []byte { return appendValue(dst, v, 1, &l) })
	return dst, l
}

// A loss tells what the bytes of a Config do not have.
type loss uint8

const (
	lossless loss = iota
	inexact       // a number
	refused       // a value that Validate refuses
)

func (r *reader) config() map[string]any {
	if values := r.values(1); len(values) != 0 {
		return values
	}
	return nil
}

// appendValue writes a free-form value that is depth levels deep, in its canonical type: nil,
// bool, string, int64, uint64 (above the range of int64 only), float64, []any or map[string]any.
// Here an empty list or map is not nil, because the driver may distinguish them. A number that
// none of these keeps becomes the nearest float64, or nil. A value that Validate refuses becomes
// nil; so does a value that is too deep, for it may contain itself, and then all that follow: a
// value that contains itself twice would have no end.
func appendValue(dst []byte, v any, depth int, l *loss) []byte {
	if *l == refused {
		return appendNil(dst)
	}
	switch v := v.(type) {
	case nil:
		return appendNil(dst)
	case bool:
		return appendBool(dst, v)
	case string:
		return appendString(dst, v)
	case float32:
		return appendValue(dst, float64(v), depth, l)
	case float64:
		if isFinite(v) {
			return appendFloat(dst, v)
		}
	case json.Number:
		n, ok := numberOf(string(v))
		if _, exact := n.(json.Number); ok && exact {
			*l = inexact
			if n, _ = v.Float64(); !isFinite(n.(float64)) {
				n = nil
			}
		}
		if ok {
			return appendValue(dst, n, depth, l)
		}
	case []any:
		return appendList(dst, v, depth+1, l)
	case []string:
		return appendList(dst, v, depth+1, l)
	case []int:
		return appendList(dst, v, depth+1, l)
	case []map[string]any:
		return appendList(dst, v, depth+1, l)
	case []map[string]string:
		return appendList(dst, v, depth+1, l)
	case map[string]any:
		return appendValues(dst, v, depth+1, l)
	case map[string]string:
		return appendValues(dst, v, depth+1, l)
	default:
		if dst, ok := appendInteger(dst, v); ok {
			return dst
		}
	}
	*l = refused
	return appendNil(dst)
}

// appendInteger writes a value of one of Go's integer types. It reports false for another value.
func appendInteger(dst []byte, v any) (_ []byte, ok bool) {
	switch v := v.(type) {
	case int64:
		return appendInt(dst, v), true
	case int:
		return appendInt(dst, int64(v)), true
	case int8:
		return appendInt(dst, int64(v)), true
	case int16:
		return appendInt(dst, int64(v)), true
	case int32:
		return appendInt(dst, int64(v)), true
	case time.Duration:
		return appendInt(dst, int64(v)), true
	case uint:
		return appendUint(dst, uint64(v)), true
	case uint8:
		return appendUint(dst, uint64(v)), true
	case uint16:
		return appendUint(dst, uint64(v)), true
	case uint32:
		return appendUint(dst, uint64(v)), true
	case uint64:
		return appendUint(dst, v), true
	}
	return dst, false
}

// appendList writes a list of free-form values, itself depth levels deep.
func appendList[T any](dst []byte, list []T, depth int, l *loss) []byte {
	if depth > maxDepth {
		*l = refused
		return appendNil(dst)
	}
	dst = appendArrayLen(dst, len(list))
	for _, v := range list {
		dst = appendValue(dst, v, depth, l)
	}
	return dst
}

// appendValues writes a map of free-form values, itself depth levels deep.
func appendValues[V any](dst []byte, m map[string]V, depth int, l *loss) []byte {
	switch {
	case depth > maxDepth:
		*l = refused
		return appendNil(dst)
	case len(m) == 0:
		return appendMapLen(dst, 0)
	}
	return appendMap(dst, m, func(dst []byte, v V) []byte { return appendValue(dst, v, depth, l) })
}

// value reads a free-form value that is depth levels deep.
func (r *reader) value(depth int) any {
	if r.off >= len(r.src) {
		r.fail(r.off, "a value")
		return nil
	}
	switch c := r.src[r.off]; {
	case c == codeNil:
		r.off++
		return nil
	case c == codeFalse || c == codeTrue:
		return r.bool()
	case c == codeFloat32 || c == codeFloat64:
		return r.float()
	case c&^fixStrLen == codeFixStr || c >= codeStr8 && c <= codeStr32:
		return r.str()
	case c&^fixListLen == codeFixArray || c == codeArray16 || c == codeArray32:
		return r.anyList(depth + 1)
	case c&^fixListLen == codeFixMap || c == codeMap16 || c == codeMap32:
		return r.values(depth + 1)
	}
	return r.anyInt()
}

// anyInt reads an integer as an int64, or as a uint64 above that range.
func (r *reader) anyInt() any {
	at := r.off
	v, neg, ok := r.integer()
	switch {
	case !ok:
		r.fail(at, "a free-form value")
		return nil
	case neg || v <= 1<<63-1:
		return int64(v)
	}
	return v
}

func (r *reader) anyList(depth int) []any {
	at := r.off
	if depth > maxDepth {
		r.fail(at, "fewer levels")
		return nil
	}
	n := r.arrayLen()
	list := make([]any, 0, min(n, maxPrealloc))
	for range n {
		list = append(list, r.value(depth))
	}
	return list
}

func (r *reader) values(depth int) map[string]any {
	if depth > maxDepth {
		r.fail(r.off, "fewer levels")
		return nil
	}
	m := readMap(r, r.str, func() any { return r.value(depth) })
	if m == nil {
		m = map[string]any{}
	}
	return m
}
