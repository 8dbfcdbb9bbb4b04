package schema

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// ID is an allocation's ID as 16 raw bytes, the key of tables and records. IDs sort as their
// texts do.
type ID [16]byte

// idText is the length of an ID as text: 8-4-4-4-12 hex digits.
const idText = 36

// textAt has, for each byte, the position of its two digits in the text.
var textAt = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// notHex marks the bytes in hexValue that are not hex digits.
const notHex = 0x80

// hexValue has the value of each hex digit in either case.
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

// NewID returns a new random ID: a UUID of version 4, from crypto/rand. It has 122 random bits, so no two
// IDs are equal in practice. Call it before a batch is proposed to a raft log, and not while an entry is
// applied, for replicas must agree on the ID.
func NewID() string {
	var id ID
	_, _ = rand.Read(id[:]) // it never returns an error
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// ParseID returns the ID with the text s: 8-4-4-4-12 hex digits in either case, with any version
// bits. Any other text gives an ErrInvalidID that quotes it. A valid s costs no allocation.
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

// invalidID quotes the beginning of s, which may be long.
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

// IDRange returns the lowest and the highest ID whose text starts with prefix. The prefix may
// have any length up to a whole ID, in either case, with the dashes of an ID. Any other text
// gives an ErrInvalidID.
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
