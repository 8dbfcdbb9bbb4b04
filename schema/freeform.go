package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// errTooDeep: a Config nests deeper than maxDepth.
var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// maxDepth bounds the nesting of lists and maps in a task's Config. The Config itself is the
// first level.
const maxDepth = 64

// canonical returns v as one of the types of stored free-form values: nil, bool, string, int64,
// uint64 (above the range of int64 only), float64, []any and map[string]any. It does not convert
// the elements of a list or a map. It reports false for a type that is not listed below, and
// for NaN and infinities.
func canonical(v any) (any, bool) {
	switch v := v.(type) {
	case nil, bool, string, int64, []any, map[string]any:
		return v, true
	case float64:
		return v, isFinite(v)
	case float32:
		return float64(v), isFinite(float64(v))
	case json.Number:
		return canonicalNumber(string(v))
	}
	if n, ok := canonicalInt(v); ok {
		return n, true
	}
	return canonicalCollection(v)
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// canonicalInt converts Go's integer types.
func canonicalInt(v any) (any, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case time.Duration:
		return int64(v), true
	case uint:
		return canonicalUint(uint64(v)), true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return canonicalUint(v), true
	}
	return nil, false
}

func canonicalUint(v uint64) any {
	if v <= math.MaxInt64 {
		return int64(v)
	}
	return v
}

// canonicalNumber converts the literal of a JSON number. It becomes an integer if it is one of
// 64 bits, even if written as a float, or if its float64 is integral. Otherwise it becomes a
// float64. The result is false for a number out of a float64's range, and for text such as
// "Inf" or "0x1p-2", which strconv accepts and JSON does not.
func canonicalNumber(s string) (any, bool) {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) {
		return nil, false
	}
	if integer, ok := integral([]byte(s)); ok {
		s = integer
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, false
	}
	switch {
	case f != math.Trunc(f) || f == 0:
		return f, true
	case f >= math.MinInt64 && f < math.MaxInt64:
		return int64(f), true
	case f > 0 && f < math.MaxUint64:
		return uint64(f), true
	}
	return f, true
}

// canonicalCollection converts the other types of lists and maps that are valid in a Config.
func canonicalCollection(v any) (any, bool) {
	switch v := v.(type) {
	case []string:
		return anyList(v), true
	case []int:
		return anyList(v), true
	case []map[string]any:
		return anyList(v), true
	case []map[string]string:
		return anyList(v), true
	case map[string]string:
		m := make(map[string]any, len(v))
		for key, value := range v {
			m[key] = value
		}
		return m, true
	}
	return nil, false
}

func anyList[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
