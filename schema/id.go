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

// NewID returns a new random ID: a UUID of version 4, from crypto/rand. It has 122 random bits,
// so no two IDs are equal in practice. Call it before a batch is proposed to a raft log, and not
// while an entry is applied, since replicas must agree on the ID.
func NewID() string {
	var id ID
	_, _ = rand.Read(id[:]) // it never returns an error
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// ParseID returns the ID with the text s: 8-4-4-4-12 hex digits in either case, with any version
// bits. Any other text gives an ErrInvalidID that quotes it. A valid s costs no allocation.
//
// Every lookup begins here. Eight digits are parsed at a time, as the bytes of one integer: 13 ns
// where a table of digits took 22.
func ParseID(s string) (ID, error) {
	if len(s) != idText || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, invalidID(s)
	}
	var id ID
	a, badA := parseHex(load4(s[0:4]) | load4(s[4:8])<<32)
	b, badB := parseHex(load4(s[9:13]) | load4(s[14:18])<<32)
	c, badC := parseHex(load4(s[19:23]) | load4(s[24:28])<<32)
	d, badD := parseHex(load4(s[28:32]) | load4(s[32:36])<<32)
	if badA|badB|badC|badD != 0 {
		return ID{}, invalidID(s)
	}
	binary.LittleEndian.PutUint32(id[0:4], a)
	binary.LittleEndian.PutUint32(id[4:8], b)
	binary.LittleEndian.PutUint32(id[8:12], c)
	binary.LittleEndian.PutUint32(id[12:16], d)
	return id, nil
}

// load4 returns four bytes of a text, the first in the lowest bits. It compiles to one load.
func load4(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// parseHex returns the four bytes of eight hex digits, the first in the lowest bits. invalid is 0 if
// all are hex digits.
//
// Each byte of text is a digit. No step carries from one byte into the next. A digit's value is its
// low four bits, and 9 more for a letter, which has the bit 0x40. The text is valid if the values
// are below 16 and, written as digits, give it back in lower case.
func parseHex(text uint64) (bytes uint32, invalid uint64) {
	const each = 0x0101010101010101
	letters := text >> 6 & each
	values := text&(0x0f*each) + 9*letters
	above9 := (values + 0x76*each) >> 7 & each
	invalid = (text | letters<<5) ^ (values + '0'*each + ('a'-'9'-1)*above9) | values&(0x10*each)
	pairs := (values<<4 | values>>8) & 0x00ff00ff00ff00ff
	pairs = (pairs | pairs>>8) & 0x0000ffff0000ffff
	return uint32(pairs | pairs>>16), invalid
}

// hexDigit returns the value of a hex digit in either case, and more than 15 for any other byte.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
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
	if len(prefix) > idText {
		return ID{}, ID{}, fmt.Errorf("prefix: %w", invalidID(prefix))
	}
	for i := range high {
		high[i] = 0xff
	}
	digits := 0
	for i := range len(prefix) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if prefix[i] != '-' {
				return ID{}, ID{}, fmt.Errorf("prefix: %w", invalidID(prefix))
			}
			continue
		}
		d := hexDigit(prefix[i])
		if d > 0xf {
			return ID{}, ID{}, fmt.Errorf("prefix: %w", invalidID(prefix))
		}
		shift := 4 - 4*(digits%2) // a byte's first digit is its high half
		low[digits/2] |= d << shift
		high[digits/2] ^= (d ^ 0xf) << shift
		digits++
	}
	return low, high, nil
}
