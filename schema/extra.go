package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Extra keys are JSON keys that are not documented: fields of other versions of Nomad, or a
// user's own. Each type has its own in a field Extra, with their values as they were written.
//
// The hard idea: equal values must be equal bytes, because the store compares encoded parts, and
// yet no digit of a number may be lost. So a value is kept as JSON text in a canonical form:
// without white space, and with the shortest escapes in its strings. Nothing else is changed.
type extras = map[string]json.RawMessage

// clientKeys are the keys of an allocation that its client reports in later documented versions.
// They belong to ClientExtra, and all other keys to Extra. JSON has both side by side, so the key
// tells the owner.
var clientKeys = [...]string{"DeploymentStatus", "NetworkStatus"}

func isClientKey(key string) bool { return slices.Contains(clientKeys[:], key) }

// isValue reports whether raw is a JSON value in UTF-8.
func isValue(raw []byte) bool { return json.Valid(raw) && utf8.Valid(raw) }

// maxExtraDepth bounds the nesting of an extra value, so that an allocation with it is not nested
// deeper than the 10,000 levels that encoding/json takes.
const maxExtraDepth = 9900

var errExtraTooDeep = fmt.Errorf("nested deeper than %d levels", maxExtraDepth)

// tooDeep reports whether a JSON value nests deeper than maxExtraDepth.
func tooDeep(raw []byte) bool {
	depth := 0
	for i := 0; i < len(raw) && depth <= maxExtraDepth; i++ {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	return depth > maxExtraDepth
}

// appendExtra writes extra keys. A value that Validate refuses is written as it is, and refused
// again by the reader.
func appendExtra(dst []byte, m extras) []byte {
	return appendMap(dst, m, func(dst []byte, raw json.RawMessage) []byte {
		if !isValue(raw) {
			return appendString(dst, string(raw))
		}
		return appendString(dst, string(canonicalJSON(raw)))
	})
}

// extra reads extra keys. With r.checkOnly it only checks them.
func (r *reader) extra() extras { return readMap(r, r.interned, r.extraValue) }

func (r *reader) extraValue() json.RawMessage {
	at := r.off
	text := r.str()
	raw := unsafe.Slice(unsafe.StringData(text), len(text)) // only read
	if r.err != nil || !isValue(raw) {
		r.fail(at, "the text of a JSON value")
		return nil
	}
	own := canonicalJSON(raw)
	r.noncanonical = r.noncanonical || string(own) != text
	return own
}

// canonicalJSON returns a JSON value in its canonical form, in memory of its own.
func canonicalJSON(raw []byte) json.RawMessage {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := stringEnd(raw, i)
			out = appendText(out, raw[i:end])
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// stringEnd returns the offset after the JSON string that begins at offset i of a valid text.
func stringEnd(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// appendText appends a JSON string, quotes included, with its shortest escapes. A half of a
// surrogate pair stays escaped, because UTF-8 has no form for it.
func appendText(dst, quoted []byte) []byte {
	for i := 0; i < len(quoted); {
		if quoted[i] != '\\' {
			dst = append(dst, quoted[i])
			i++
			continue
		}
		c, n := unescape(quoted[i:])
		i += n
		switch letter := strings.IndexRune(escapedChars, c); {
		case letter > 0: // 0 is the slash, which needs no escape
			dst = append(dst, '\\', escapeLetters[letter])
		case c < ' ' || utf16.IsSurrogate(c):
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return dst
}

// JSON's short escapes: the letter after a backslash, and the character that it stands for.
const (
	escapeLetters = `/"\bfnrt`
	escapedChars  = "/\"\\\b\f\n\r\t"
)

// unescape returns the character of the escape that a valid text begins with, and its length. A
// half of a surrogate pair is returned as it is.
func unescape(text []byte) (c rune, n int) {
	if text[1] != 'u' {
		return rune(escapedChars[strings.IndexByte(escapeLetters, text[1])]), 2
	}
	c, n = hex4(text[2:]), 6
	if utf16.IsSurrogate(c) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if pair := utf16.DecodeRune(c, hex4(text[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return c, n
}

// hex4 returns the number that the first four hex digits of text stand for.
func hex4(text []byte) rune {
	n, _ := strconv.ParseUint(string(text[:4]), 16, 16)
	return rune(n)
}
