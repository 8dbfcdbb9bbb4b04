package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A jsonReader reads values from a text that encoding/json has found to be valid JSON. So it
// never looks for a syntax error, and takes commas and colons for white space.
//
// encoding/json by itself would not do. It drops keys that are not documented, which are kept
// here; and it takes keys given twice, null in lists and text that is not UTF-8, which are faults.
//
// The first fault is kept, and ends the reading.
type jsonReader struct {
	text []byte
	off  int
	path []pathStep // of the value that is read
	err  *JSONError
}

// A pathStep leads from a value to one inside it.
type pathStep struct {
	kind stepKind
	name string
	i    int
}

type stepKind uint8

const (
	stepField stepKind = iota // the struct's documented key name
	stepKey                   // the map's key name
	stepIndex                 // the list's element i
)

// readJSON checks that text is JSON, and reads it.
func readJSON(text []byte, read func(*jsonReader)) error {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		return &JSONError{Offset: syntax.Offset, Err: err}
	}
	r := jsonReader{text: text}
	if read(&r); r.err != nil {
		return r.err
	}
	return nil
}

// fail records a fault of the value that ends at offset end.
func (r *jsonReader) fail(end int, format string, args ...any) {
	if r.err == nil {
		r.err = &JSONError{Offset: int64(end), Field: r.field(), Err: fmt.Errorf(format, args...)}
	}
}

// field returns the path as text.
func (r *jsonReader) field() string {
	var text strings.Builder
	for i, s := range r.path {
		switch {
		case s.kind == stepIndex:
			fmt.Fprintf(&text, "[%d]", s.i)
		case s.kind == stepKey:
			fmt.Fprintf(&text, "[%q]", abbreviated(s.name))
		case i > 0:
			text.WriteString("." + s.name)
		default:
			text.WriteString(s.name)
		}
	}
	return text.String()
}

// in reads a value one step inside the one that is read.
func (r *jsonReader) in(s pathStep, read func()) {
	r.path = append(r.path, s)
	read()
	r.path = r.path[:len(r.path)-1]
}

// next moves to the next value, and returns its first character.
func (r *jsonReader) next() byte {
	for strings.IndexByte(" \t\r\n,:", r.text[r.off]) >= 0 {
		r.off++
	}
	return r.text[r.off]
}

// more reports whether the list or object that ends with that bracket has another element. It
// consumes the bracket.
func (r *jsonReader) more(bracket byte) bool {
	if r.err != nil {
		return false
	}
	if r.next() != bracket {
		return true
	}
	r.off++
	return false
}

// raw consumes a value, and returns its text.
func (r *jsonReader) raw() []byte {
	r.next()
	start, depth := r.off, 0
	for {
		switch r.next() {
		case '{', '[':
			depth++
			r.off++
		case '}', ']':
			depth--
			r.off++
		case '"':
			r.off = stringEnd(r.text, r.off)
		default: // a number, true, false or null
			for r.off < len(r.text) && strings.IndexByte(" \t\r\n,:]}", r.text[r.off]) < 0 {
				r.off++
			}
		}
		if depth == 0 {
			return r.text[start:r.off]
		}
	}
}

// null consumes a null if it is next.
func (r *jsonReader) null() bool {
	if r.next() != 'n' {
		return false
	}
	r.off += len("null")
	return true
}

// open consumes the bracket. Without it, open fails with the wanted value's name.
func (r *jsonReader) open(bracket byte, want string) bool {
	if r.next() != bracket {
		r.wrong(want)
		return false
	}
	r.off++
	return true
}

// wrong fails because the next value is not the one that is wanted. The fault of a list or an
// object is at its opening bracket.
func (r *jsonReader) wrong(want string) {
	found := ""
	switch c := r.next(); c {
	case '{':
		found = "object"
	case '[':
		found = "array"
	case '"':
		found = "string"
	case 't', 'f':
		found = "bool"
	case 'n':
		found = "null"
	}
	end := r.off + 1
	if found != "object" && found != "array" {
		text := r.raw()
		end = r.off
		if found == "" {
			found = "number " + abbreviated(string(text))
		}
	}
	r.fail(end, "found %s, want %s", found, want)
}

// value reads a value into the field v of a jsonVisitor, which is zero.
func (r *jsonReader) value(v any) {
	switch v := v.(type) {
	case *string:
		*v = r.string()
	case *bool:
		*v = r.bool()
	case *int:
		*v = r.int()
	case *int64:
		*v = r.int64()
	case *time.Duration:
		*v = time.Duration(r.int64())
	case *uint64:
		*v = r.uint64()
	case *droppedEvents:
		start := r.off
		n := r.uint64()
		if v.dropped += n; v.dropped < n {
			r.off = start
			r.wrong("a number of events that fits 64 bits")
		}
	case *UnixNano:
		if err := v.UnmarshalJSON(r.raw()); err != nil {
			r.fail(r.off, "%w", err)
		}
	case *[]string:
		r.list(func() { *v = append(*v, r.string()) })
	case *map[string]string:
		*v = jsonMap(r, r.string)
	case *map[string]int:
		*v = jsonMap(r, r.int)
	case *map[string]float64:
		*v = jsonMap(r, r.float)
	case *map[string]any:
		*v = r.config()
	case *EventRing:
		r.list(func() {
			var ev TaskEvent
			r.object(&ev)
			v.Append(ev)
		})
	case structField:
		v.read(r)
	}
}

func (r *jsonReader) bool() bool {
	c := r.next()
	if c != 't' && c != 'f' {
		r.wrong("a bool")
		return false
	}
	r.raw()
	return c == 't'
}

// string reads a string. An escape that is half of a surrogate pair is a fault; encoding/json
// replaces it.
func (r *jsonReader) string() string {
	if r.next() != '"' {
		r.wrong("a string")
		return ""
	}
	quoted := r.raw()
	quoted = quoted[1 : len(quoted)-1]
	if !utf8.Valid(quoted) {
		r.fail(r.off, "not UTF-8: %.60q", quoted)
		return ""
	}
	var text strings.Builder
	for i := 0; i < len(quoted); {
		if quoted[i] != '\\' {
			if text.Cap() == 0 {
				text.Grow(len(quoted))
			}
			text.WriteByte(quoted[i])
			i++
			continue
		}
		c, n := unescape(quoted[i:])
		if utf16.IsSurrogate(c) {
			r.fail(r.off, "not UTF-8: half of a surrogate pair, %s", quoted[i:i+n])
			return ""
		}
		text.WriteRune(c)
		i += n
	}
	return text.String()
}

// readNumber reads a number. One that parse refuses is a fault: want says what is wanted.
func readNumber[N any](r *jsonReader, want string, parse func(number string) (N, error)) (n N) {
	if c := r.next(); c != '-' && (c < '0' || c > '9') {
		r.wrong(want)
		return n
	}
	start := r.off
	n, err := parse(string(r.raw()))
	if err != nil {
		r.off = start
		r.wrong(want)
	}
	return n
}

var wantInt = fmt.Sprintf("an integer of %d bits", strconv.IntSize)

func (r *jsonReader) int() int {
	return readNumber(r, wantInt, func(number string) (int, error) { return strconv.Atoi(integerText(number)) })
}

func (r *jsonReader) int64() int64 {
	return readNumber(r, "an integer of 64 bits", func(number string) (int64, error) {
		return strconv.ParseInt(integerText(number), 10, 64)
	})
}

func (r *jsonReader) uint64() uint64 {
	return readNumber(r, "an integer of 64 bits that is not negative", func(number string) (uint64, error) {
		return strconv.ParseUint(integerText(number), 10, 64)
	})
}

func (r *jsonReader) float() float64 {
	return readNumber(r, "a number of a float64's range", func(number string) (float64, error) {
		return strconv.ParseFloat(number, 64)
	})
}

// integerText returns an integer that is written as a float, such as 1e3, in its plain form, and
// every other number as it is.
func integerText(number string) string {
	if !strings.ContainsAny(number, ".eE-") {
		return number
	}
	if d, ok := parseDecimal(number); ok {
		if text, ok := d.integer(); ok {
			return text
		}
	}
	return number
}

// list reads a list, each element by read. A null element is a fault.
func (r *jsonReader) list(read func()) {
	if !r.open('[', "an array") {
		return
	}
	for i := 0; r.more(']'); i++ {
		r.in(pathStep{kind: stepIndex, i: i}, func() {
			if r.next() == 'n' {
				r.wrong("an element")
			} else {
				read()
			}
		})
	}
}

func jsonList[T any, P pointerTo[T]](r *jsonReader) (list []T) {
	r.list(func() {
		var zero T
		list = append(list, zero)
		r.object(P(&list[len(list)-1]))
	})
	return list
}

func jsonPointer[T any, P pointerTo[T]](r *jsonReader) *T {
	v := new(T)
	r.object(P(v))
	return v
}

// givenTwice is the fault of a key that an object has already.
const givenTwice = "a key that is given twice"

// jsonMap reads a map. The map of an empty object is nil. Keys that differ in case alone are
// different keys; the same key twice is a fault. A null value is the zero value.
func jsonMap[V any](r *jsonReader, value func() V) map[string]V {
	if !r.open('{', "an object") {
		return nil
	}
	var m map[string]V
	for r.more('}') {
		key := r.string()
		r.in(pathStep{kind: stepKey, name: key}, func() {
			var v V
			if !r.null() {
				v = value()
			}
			if _, twice := m[key]; twice {
				r.fail(r.off, givenTwice)
			}
			if m == nil {
				m = make(map[string]V)
			}
			m[key] = v
		})
	}
	return m
}

// config reads a driver's configuration.
func (r *jsonReader) config() map[string]any {
	return jsonMap(r, func() any { return r.free(1) })
}

// free reads a free-form value that is depth levels deep, in its canonical type.
func (r *jsonReader) free(depth int) any {
	switch c := r.next(); c {
	case '{', '[':
		if depth == maxDepth {
			r.fail(r.off+1, "%w", errTooDeep)
			return nil
		}
		if c == '[' {
			list := []any{}
			r.open('[', "an array")
			for i := 0; r.more(']'); i++ {
				r.in(pathStep{kind: stepIndex, i: i}, func() { list = append(list, r.free(depth+1)) })
			}
			return list
		}
		if m := jsonMap(r, func() any { return r.free(depth + 1) }); m != nil {
			return m
		}
		return map[string]any{}
	case '"':
		return r.string()
	case 't', 'f':
		return r.bool()
	case 'n':
		r.null()
		return nil
	}
	n, _ := numberOf(string(r.raw()))
	return n
}

// object reads an object into s, whose fields are zero.
func (r *jsonReader) object(s jsonStruct) {
	if !r.open('{', "an object") {
		return
	}
	o := objectReader{r: r}
	for r.more('}') {
		key := r.string()
		value := r.raw()
		o.members = append(o.members, member{key: key, start: r.off - len(value), end: r.off})
	}
	end := r.off
	if s.visit(&o); r.err == nil {
		r.off = end
	}
}

// An objectReader is the jsonVisitor that sets the fields of a struct from the members of an
// object, whose order is another.
type objectReader struct {
	r       *jsonReader
	members []member
	next    int      // the member after the last that was found: usually the next field's
	names   []string // the documented keys

	displayed []byte // a DisplayMessage to keep, see message
}

// A member is a key of an object, and the place of its value.
type member struct {
	key        string
	start, end int
	found      bool // it has a field
}

// find returns the member with a documented key, in upper or lower case, or nil.
func (o *objectReader) find(name string) *member {
	o.names = append(o.names, name)
	for range o.members {
		if o.next == len(o.members) {
			o.next = 0
		}
		m := &o.members[o.next]
		o.next++
		if !m.found && strings.EqualFold(m.key, name) {
			m.found = true
			return m
		}
	}
	return nil
}

func (o *objectReader) field(name string, value any) {
	m := o.find(name)
	if m == nil || o.r.err != nil {
		return
	}
	o.r.off = m.start
	o.r.in(pathStep{name: name}, func() {
		if !o.r.null() {
			o.r.value(value)
		}
	})
}

func (o *objectReader) optional(name string, value any) { o.field(name, value) }

// message keeps a DisplayMessage for the extra keys, unless it is the one that the event's method
// returns.
func (o *objectReader) message(ev *TaskEvent) {
	m := o.find(displayMessage)
	if m == nil || o.r.err != nil {
		return
	}
	o.r.off = m.start
	text := o.r.raw()
	var message string
	if json.Unmarshal(text, &message) != nil || message != ev.DisplayMessage() && string(text) != "null" {
		o.displayed = text
	}
}

func (o *objectReader) extra(keys *extras, client bool) {
	for i := range o.members {
		m := &o.members[i]
		if m.found || client && !isClientKey(m.key) || o.r.err != nil {
			continue
		}
		m.found = true
		_, twice := (*keys)[m.key]
		for _, name := range o.names {
			twice = twice || strings.EqualFold(name, m.key)
		}
		o.r.in(pathStep{name: m.key}, func() {
			if twice {
				o.r.fail(m.end, givenTwice)
			}
			o.add(keys, m.key, o.r.text[m.start:m.end], m.end)
		})
	}
	if o.displayed != nil && o.r.err == nil {
		o.r.in(pathStep{name: displayMessage}, func() { o.add(keys, displayMessage, o.displayed, o.r.off) })
	}
}

// add adds an extra key with its value, which ends at offset end.
func (o *objectReader) add(keys *extras, key string, value []byte, end int) {
	if !utf8.Valid(value) {
		o.r.fail(end, "not UTF-8: %.60q", value)
		return
	}
	if tooDeep(value) {
		o.r.fail(end, "%w", errExtraTooDeep)
		return
	}
	if *keys == nil {
		*keys = make(extras)
	}
	(*keys)[key] = canonicalJSON(value)
}
