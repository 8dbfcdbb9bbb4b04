package schema

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// ID is an allocation's ID as its 16 raw bytes: what tables and records are
// keyed by. Its order is the order of its text.
type ID [16]byte

// idText is the length of an ID as text: 8-4-4-4-12 hex digits.
const idText = 36

// textAt is where in the text the two digits of each byte stand.
var textAt = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// notHex marks, in hexValue, a byte that is no hex digit.
const notHex = 0x80

// hexValue is the value of each hex digit in either case.
var hexValue = func() (t [256]uint8) {
	for i := range t {
		t[i] = notHex
	}
	for i := range 10 {
		t['0'+i] = uint8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = uint8(10+i), uint8(10+i)
	}
	return t
}()

// ParseID returns the ID that s spells: 8-4-4-4-12 hex digits in either case,
// with any version bits. Anything else is an error that is ErrInvalidID and
// quotes s. It does not allocate when s is valid.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != idText || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, invalidID(s)
	}
	var seen uint8
	for i, at := range textAt {
		hi, lo := hexValue[s[at]], hexValue[s[at+1]]
		seen |= hi | lo
		id[i] = hi<<4 | lo
	}
	if seen&notHex != 0 {
		return ID{}, invalidID(s)
	}
	return id, nil
}

// invalidID quotes no more than a glance of s, which may be anything.
func invalidID(s string) error {
	if len(s) > 2*idText {
		return fmt.Errorf("%w: %q... (%d bytes)", ErrInvalidID, s[:2*idText], len(s))
	}
	return fmt.Errorf("%w: %q", ErrInvalidID, s)
}

// String returns the ID's canonical text, in lower case.
func (id ID) String() string {
	text := id.text()
	return string(text[:])
}

// text returns the bytes of String.
func (id *ID) text() (text [idText]byte) {
	const digits = "0123456789abcdef"
	for i, at := range textAt {
		text[at], text[at+1] = digits[id[i]>>4], digits[id[i]&0xf]
	}
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return text
}

// Compare returns -1, 0 or +1 as id sorts before, with or after other.
func (id ID) Compare(other ID) int {
	a, b := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(other[:8])
	if a == b {
		a, b = binary.BigEndian.Uint64(id[8:]), binary.BigEndian.Uint64(other[8:])
	}
	return cmp.Compare(a, b)
}

// IDRange returns the lowest and the highest ID whose text starts with prefix.
// The prefix may have any length from 0 to a whole ID, in either case, with its
// dashes where an ID has them; anything else is ErrInvalidID.
func IDRange(prefix string) (low, high ID, err error) {
	const lowest, highest = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
	if len(prefix) > idText {
		return ID{}, ID{}, fmt.Errorf("prefix: %w", invalidID(prefix))
	}
	if low, err = ParseID(prefix + lowest[len(prefix):]); err != nil {
		return ID{}, ID{}, fmt.Errorf("prefix: %w", invalidID(prefix))
	}
	high, err = ParseID(prefix + highest[len(prefix):])
	return low, high, err
}
