package schema

import (
	"bytes"
	"cmp"
	"sort"
	"strconv"
	"strings"
)

// A shift is a difference of offsets: from offset at of a rewritten text on, its offsets are
// larger by by than those of the original.
type shift struct {
	at, by int64
}

// original returns the offset in the original text for an offset in the rewritten text.
func original(shifts []shift, offset int64) int64 {
	i := sort.Search(len(shifts), func(i int) bool { return shifts[i].at > offset })
	if i == 0 {
		return offset
	}
	return offset - shifts[i-1].by
}

// integralNumbers rewrites integers of 64 bits that are written as floats, such as 1e+10, as
// integers, which encoding/json reads exactly. The text must be well-formed JSON. Without such
// a number it is returned unchanged.
func integralNumbers(text []byte) ([]byte, []shift) {
	var out []byte
	var shifts []shift
	copied, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\': // in a string
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '-' || c >= '0' && c <= '9'):
			end := len(text) - len(bytes.TrimLeft(text[i:], "+-.eE0123456789"))
			if integer, ok := integral(string(text[i:end])); ok {
				out = append(append(out, text[copied:i]...), integer...)
				copied = end
				shifts = append(shifts, shift{at: int64(len(out)), by: int64(len(out) - end)})
			}
			i = end - 1
		}
	}
	if copied == 0 {
		return text, nil
	}
	return append(out, text[copied:]...), shifts
}

// integral returns the integer that a number written as a float stands for, if it is one of 64
// bits. It moves the decimal point in the digits, without a float in between. A huge exponent
// is refused before it costs memory.
func integral(number string) (string, bool) {
	if !strings.ContainsAny(number, ".eE") {
		return "", false
	}
	mantissa, power, _ := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	unsigned := strings.TrimPrefix(whole, "-")
	digits := strings.TrimLeft(unsigned+fraction, "0")
	if digits == "" {
		return "0", true
	}
	significant := strings.TrimRight(digits, "0")
	exponent, err := strconv.Atoi(cmp.Or(power, "0"))
	exponent += len(digits) - len(significant) - len(fraction)
	const zeros = "00000000000000000000" // as many as the largest uint64 has digits
	if err != nil || exponent < 0 || exponent > len(zeros) || len(significant) > len(zeros) {
		return "", false
	}
	s := whole[:len(whole)-len(unsigned)] + significant + zeros[:exponent]
	_, err = strconv.ParseUint(s, 10, 64)
	if err != nil {
		_, err = strconv.ParseInt(s, 10, 64)
	}
	return s, err == nil
}
