package schema

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// A decimal is the exact value of a JSON number: digits times a power of ten. The digits have no
// zero at either end; those of zero are empty. Equal numbers are equal decimals.
type decimal struct {
	negative bool
	digits   string
	power    int
}

// parseDecimal returns the value of a JSON number. A number whose exponent is out of an int's
// range is refused before it costs memory.
func parseDecimal(number string) (d decimal, ok bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	unsigned := strings.TrimPrefix(whole, "-")
	digits := strings.TrimLeft(unsigned+fraction, "0")
	if digits == "" {
		return decimal{}, true
	}
	power, err := strconv.Atoi(cmp.Or(exponent, "0"))
	d.negative, d.digits = len(unsigned) < len(whole), strings.TrimRight(digits, "0")
	d.power = power + len(digits) - len(d.digits) - len(fraction)
	return d, err == nil
}

// integer returns the integer of up to 20 digits, as many as the largest uint64 has.
func (d decimal) integer() (text string, ok bool) {
	const zeros = "00000000000000000000"
	if d.power < 0 || d.power > len(zeros) || len(d.digits) > len(zeros) {
		return "", false
	}
	text = cmp.Or(d.digits, "0") + zeros[:d.power]
	if d.negative {
		text = "-" + text
	}
	return text, true
}

// numberOf converts the literal of a JSON number: to an int64, else a uint64, else a float64
// whose shortest decimal is the same number, else a json.Number, as it is written. The result is
// false for text such as "Inf" or "0x1p-2", which strconv accepts and JSON does not.
func numberOf(s string) (any, bool) {
	if strings.Trim(s, "+-.eE0123456789") != "" || !json.Valid([]byte(s)) {
		return nil, false
	}
	d, ok := parseDecimal(s)
	if !ok {
		return json.Number(s), true
	}
	if text, ok := d.integer(); ok {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, true
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, true
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	if short, _ := parseDecimal(strconv.FormatFloat(f, 'e', -1, 64)); isFinite(f) && short == d {
		return f, true
	}
	return json.Number(s), true
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
