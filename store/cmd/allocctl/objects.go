package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"allocstore/store"
)

// An objectReader finds the objects in a JSON text: one on each line, several on a line, over many
// lines, or in arrays; with commas between them or without. It finds where an object ends, and leaves the
// rest to a decoder. Any other text is a badText, after which the reading goes on.
//
// An object that is cut short hides where the next one begins. That is taken to be the first line after
// it that begins with an object, and is not indented more.
type objectReader struct {
	in  io.Reader
	max int // bytes of an object

	buf    []byte // read, and not yet passed
	err    error  // of in, after buf
	passed int    // bytes before buf
	line   int    // number of the first line of buf
	column int    // of the first byte of buf in that line, from 0

	arrays []int // lines of the open arrays
	lost   bool  // brackets were lost in a bad text, so arrays is not exact

	// again counts the bytes that were read twice. Above maxAgain a text is taken to have one object on each
	// line: a hostile one could otherwise have each line read with thousands of lines after it.
	again, maxAgain int
}

// maxDepth is the depth that encoding/json decodes.
const maxDepth = 10_000

func newObjectReader(in io.Reader, maxBytes int) *objectReader {
	return &objectReader{in: in, max: maxBytes, line: 1, maxAgain: 256 << 20}
}

// A place is where an object or a bad text is.
type place struct {
	line   int // the first one
	last   int // the last line
	column int // in the first line, from 0
}

// String names the line or lines, and the byte for an object that does not begin its line.
func (p place) String() string {
	switch {
	case p.last > p.line:
		return fmt.Sprintf("lines %d to %d", p.line, p.last)
	case p.column > 0:
		return fmt.Sprintf("line %d, byte %d", p.line, p.column+1)
	}
	return fmt.Sprintf("line %d", p.line)
}

// An object is the text of a JSON object. It is valid until the next one is read.
type object struct {
	place
	text []byte
}

// lineAt returns the number of the line of the byte before an offset of the text.
func (o object) lineAt(offset int64) int {
	return o.line + bytes.Count(o.text[:max(0, min(offset-1, int64(len(o.text))))], []byte("\n"))
}

// A badText is a part of the text that has no object.
type badText struct {
	place
	reason error
}

// Error names the place and the reason.
func (b *badText) Error() string { return fmt.Sprintf("%v: %v", b.place, b.reason) }

// Unwrap returns the reason.
func (b *badText) Unwrap() error { return b.reason }

var (
	errSource   = errors.New("the source has an error")
	errCut      = errors.New("malformed JSON: the text ends within an object")
	errString   = errors.New("malformed JSON: the line ends within a string")
	errNesting  = errors.New("malformed JSON: brackets do not match")
	errNeedless = errors.New("malformed JSON: ] without [")
	errDeep     = fmt.Errorf("malformed JSON: nested more than %d deep", maxDepth)
)

// next returns the next object. After the last one the error is io.EOF. After a *badText, next can be
// called again; any other error is that of the source.
func (r *objectReader) next() (object, error) {
	for {
		c, ok := r.skipSpace()
		switch {
		case !ok:
			return object{}, r.end()
		case c == '[':
			r.arrays = append(r.arrays, r.line)
			r.pass(1)
		case c == ']' && len(r.arrays) > 0:
			r.arrays = r.arrays[:len(r.arrays)-1]
			r.pass(1)
		case c == ']' && r.lost:
			r.pass(1)
		case c == ']':
			return object{}, r.badLines(errNeedless, anyColumn)
		case c == '{':
			return r.object()
		default:
			return object{}, r.stray()
		}
	}
}

// end returns the error at the end of the text.
func (r *objectReader) end() error {
	if n := len(r.arrays); n > 0 && r.err == io.EOF && !r.lost {
		p := place{line: r.arrays[n-1], last: r.line}
		r.arrays = nil
		return &badText{p, errors.New("malformed JSON: the text ends within an array")}
	}
	if r.err == io.EOF || errors.Is(r.err, context.Canceled) {
		return r.err
	}
	return fmt.Errorf("line %d: %w", r.line, r.err)
}

// more reads more of the text, and reports whether there is any.
func (r *objectReader) more() bool {
	const size = 64 << 10
	for empty := 0; r.err == nil; empty++ {
		if cap(r.buf)-len(r.buf) < size/2 {
			// Twice as large: with smaller steps the garbage of earlier buffers is larger than the text.
			r.buf = slices.Grow(r.buf, max(size, min(len(r.buf), r.max-len(r.buf)+size)))
		}
		n, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if r.err = err; n > 0 {
			return true
		}
		if empty == 100 && err == nil {
			r.err = io.ErrNoProgress
		}
	}
	return false
}

// pass passes the first n bytes of buf.
func (r *objectReader) pass(n int) {
	text := r.buf[:n]
	if lines := bytes.Count(text, []byte("\n")); lines > 0 {
		r.line += lines
		r.column = n - 1 - bytes.LastIndexByte(text, '\n')
	} else {
		r.column += n
	}
	r.buf = r.buf[n:]
	r.passed += n
}

// The byte order mark, which may be at the beginning of each of the files that a text was made of.
const byteOrderMark = "\ufeff"

// skipSpace passes white space, commas and byte order marks. It returns the byte after them, and false at
// the end of the text.
func (r *objectReader) skipSpace() (byte, bool) {
	for {
		n := 0
		for n < len(r.buf) && bytes.IndexByte([]byte(" \t\r\n,"), r.buf[n]) >= 0 {
			n++
		}
		r.pass(n)
		switch {
		case len(r.buf) < len(byteOrderMark) && bytes.HasPrefix([]byte(byteOrderMark), r.buf) && r.more(): // also an empty one
		case len(r.buf) == 0:
			return 0, false
		case bytes.HasPrefix(r.buf, []byte(byteOrderMark)):
			r.buf = r.buf[len(byteOrderMark):] // no column
		default:
			return r.buf[0], true
		}
	}
}

// object passes the object at the beginning of buf, and returns it.
func (r *objectReader) object() (object, error) {
	n, err := r.objectEnd()
	switch err {
	case nil:
	case errSource:
		return object{}, r.end()
	default:
		end := r.passed + n
		err = r.badLines(err, r.column)
		r.again += max(0, end-r.passed)
		return object{}, err
	}
	o := object{place{line: r.line, column: r.column}, r.buf[:n:n]}
	r.pass(n)
	o.last = r.line
	return o, nil
}

// objectEnd returns the length of the object at the beginning of buf. With an error it returns the number
// of bytes up to it.
func (r *objectReader) objectEnd() (n int, err error) {
	var open []byte // the brackets
	last := byte(':')
	for ; ; n++ {
		if n == len(r.buf) {
			if err := r.need(n); err != nil {
				return n, err
			}
		}
		switch c := r.buf[n]; c {
		case ' ', '\t', '\r':
			continue
		case '\n':
			if r.again > r.maxAgain && r.nextLineBegins(n) {
				return n, errCut
			}
			continue
		case '"':
			if n, err = r.stringEnd(n); err != nil {
				return n, err
			}
		case '{', '[':
			// A value follows a colon, or in an array the bracket or a comma.
			if last != ':' && (open[len(open)-1] != '[' || last != '[' && last != ',') {
				return n, errNesting
			}
			if open = append(open, c); len(open) > maxDepth {
				return n, errDeep
			}
		case '}', ']':
			if open[len(open)-1] != c-2 { // in ASCII, as [ is two before ]
				return n, errNesting
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return n + 1, nil
			}
		}
		last = r.buf[n]
	}
}

// stringEnd returns the position of the last quote of the string whose first one is buf[n]. With an error
// it returns the position that it has reached.
func (r *objectReader) stringEnd(n int) (int, error) {
	escaped := false
	for n++; ; n++ {
		if n == len(r.buf) {
			if err := r.need(n); err != nil {
				return n, err
			}
		}
		switch c := r.buf[n]; {
		case c == '\n':
			return n, errString
		case escaped:
			escaped = false
		case c == '"':
			return n, nil
		case c == '\\':
			escaped = true
		}
	}
}

// need reads until buf has a byte at n, which is at most its length.
func (r *objectReader) need(n int) error {
	switch {
	case n >= r.max:
		return fmt.Errorf("%w: an object of more than %d bytes", store.ErrTooLarge, r.max)
	case r.more():
		return nil
	case r.err == io.EOF:
		return errCut
	}
	return errSource
}

// nextLineBegins reports whether the line after buf[n] begins with an object, not indented more than the
// first one.
func (r *objectReader) nextLineBegins(n int) bool {
	for n++; n < len(r.buf) || r.more(); n++ {
		if c := r.buf[n]; c != ' ' && c != '\t' {
			return c == '{' && n-1-bytes.LastIndexByte(r.buf[:n], '\n') <= r.column
		}
	}
	return false
}

// stray passes a value of another type, or else the line.
func (r *objectReader) stray() error {
	const longest = 1 << 10
	n := 1
	if r.buf[0] == '"' {
		if last, err := r.stringEnd(0); err == nil {
			n = last + 1
		}
	} else {
		for (n < len(r.buf) || n < longest && r.more()) && bytes.IndexByte([]byte(" \t\r\n,[]{}\""), r.buf[n]) < 0 {
			n++
		}
	}
	text := r.buf[:n]
	if !json.Valid(text) {
		return r.badLines(fmt.Errorf("malformed JSON: want an object, found %s", quote(text)), anyColumn)
	}
	b := &badText{place{r.line, r.line, r.column}, fmt.Errorf("want an object, found %s", quote(text))}
	r.pass(n)
	return b
}

// quote quotes the beginning of a text.
func quote(text []byte) string {
	const limit = 40
	if len(text) > limit {
		return fmt.Sprintf("%q...", text[:limit])
	}
	return fmt.Sprintf("%q", text)
}

const anyColumn = math.MaxInt

// badLines passes the rest of the line, and all lines up to the first one that begins with an object, indented
// no more than the column. With anyColumn it may also begin with an array.
func (r *objectReader) badLines(reason error, column int) error {
	r.lost = true
	bad := &badText{place{r.line, r.line, r.column}, reason}
	for {
		n := bytes.IndexByte(r.buf, '\n') + 1
		if n == 0 {
			bad.last = r.line
			passed := r.buf
			r.pass(len(r.buf))
			r.buf = passed[:0] // its memory is used again
			if !r.more() {
				break
			}
			continue
		}
		bad.last = r.line
		r.pass(n)
		c, ok := r.indented()
		if !ok || c == '{' && r.column <= column || column == anyColumn && c == '[' {
			break
		}
	}
	return bad
}

// indented passes the white space at the beginning of a line. It returns the byte after it, and false at
// the end of the text.
func (r *objectReader) indented() (byte, bool) {
	for {
		n := len(r.buf) - len(bytes.TrimLeft(r.buf, " \t"))
		r.pass(n)
		if len(r.buf) > 0 {
			return r.buf[0], true
		}
		if !r.more() {
			return 0, false
		}
	}
}
