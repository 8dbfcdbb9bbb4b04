package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// errTooDeep: a Config nests deeper than maxDepth.
var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// maxDepth bounds the nesting of lists and maps in a task's Config. The Config itself is the
// first level.
const maxDepth = 64

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// numberOf converts the literal of a JSON number. It becomes an int64 or uint64 if it is an
// integer of 64 bits, even if written as a float, or if its float64 is integral. Otherwise it
// becomes a float64. The result is false for a number out of a float64's range, and for text
// such as "Inf" or "0x1p-2", which strconv accepts and JSON does not.
func numberOf(s string) (any, bool) {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) {
		return nil, false
	}
	if integer, ok := integral(s); ok {
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
