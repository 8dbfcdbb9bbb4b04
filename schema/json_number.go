package schema

import (
	"bytes"
	"sort"
	"strconv"
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
	copied := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			i = afterString(text, i)
		case c == '-' || c >= '0' && c <= '9':
			end := afterNumber(text, i)
			if integer, ok := integral(text[i:end]); ok {
				out = append(append(out, text[copied:i]...), integer...)
				copied = end
				shifts = append(shifts, shift{at: int64(len(out)), by: int64(len(out) - end)})
			}
			i = end
		default:
			i++
		}
	}
	if copied == 0 {
		return text, nil
	}
	return append(out, text[copied:]...), shifts
}

// afterString returns the offset after the string that begins at i.
func afterString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return i
}

// afterNumber returns the offset after the number that begins at i.
func afterNumber(text []byte, i int) int {
	for i < len(text) && bytes.IndexByte([]byte("+-.eE0123456789"), text[i]) >= 0 {
		i++
	}
	return i
}

// integral returns the integer that a number written as a float stands for, if it is one of 64
// bits. It moves the decimal point in the digits, without a float in between. A huge exponent
// is refused before it costs memory.
func integral(number []byte) (string, bool) {
	if !bytes.ContainsAny(number, ".eE") {
		return "", false
	}
	sign, digits := "", number
	if number[0] == '-' {
		sign, digits = "-", number[1:]
	}
	power := "0"
	if e := bytes.IndexAny(digits, "eE"); e >= 0 {
		digits, power = digits[:e], string(digits[e+1:])
	}
	fraction := 0
	if dot := bytes.IndexByte(digits, '.'); dot >= 0 {
		fraction = len(digits) - dot - 1
		digits = append(digits[:dot:dot], digits[dot+1:]...)
	}
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 {
		return "0", true
	}
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return "", false
	}
	return shifted(sign, digits, exponent-fraction)
}

// shifted returns digits times ten to the exponent, if that is an integer of 64 bits. The first
// digit is not 0.
func shifted(sign string, digits []byte, exponent int) (string, bool) {
	const limit = 20 // digits of the largest uint64
	significant := bytes.TrimRight(digits, "0")
	exponent += len(digits) - len(significant)
	if exponent < 0 || exponent > limit || len(significant)+exponent > limit {
		return "", false
	}
	s := sign + string(significant) + "00000000000000000000"[:exponent]
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return s, true
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return s, err == nil
}
