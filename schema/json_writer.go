package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// A jsonWriter writes the documented JSON: the keys of each struct in their documented order, and
// then its extra keys, sorted.
type jsonWriter struct {
	buf      []byte
	messages bool // write the DisplayMessage of every event
	err      error
}

// writeJSON returns the JSON of the variable behind the pointer v.
func writeJSON(v any) ([]byte, error) {
	var w jsonWriter
	w.value(v)
	return w.buf, w.err
}

// key begins a member of the object.
func (w *jsonWriter) key(name string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.string(name)
	w.buf = append(w.buf, ':')
}

func (w *jsonWriter) field(name string, value any) {
	w.key(name)
	w.value(value)
}

func (w *jsonWriter) optional(name string, value any) {
	if isSet(value) {
		w.field(name, value)
	}
}

// isSet reports whether the field that value points to is not zero. It knows the types of
// optional fields.
func isSet(value any) bool {
	switch v := value.(type) {
	case *string:
		return *v != ""
	case *bool:
		return *v
	case *int64:
		return *v != 0
	case *uint64:
		return *v != 0
	case *time.Duration:
		return *v != 0
	case *UnixNano:
		return *v != 0
	case *droppedEvents:
		return v.dropped != 0
	case *map[string]string:
		return len(*v) != 0
	}
	return true
}

func (w *jsonWriter) message(ev *TaskEvent) {
	if _, kept := ev.Extra[displayMessage]; w.messages && !kept {
		w.key(displayMessage)
		w.string(ev.DisplayMessage())
	}
}

func (w *jsonWriter) extra(keys *extras, _ bool) {
	for _, key := range slices.Sorted(maps.Keys(*keys)) {
		w.key(key)
		w.marshal((*keys)[key])
	}
}

// value writes the field v of a jsonVisitor, or the struct behind v.
func (w *jsonWriter) value(v any) {
	switch v := v.(type) {
	case *string:
		w.string(*v)
	case *bool:
		w.buf = strconv.AppendBool(w.buf, *v)
	case *int:
		w.buf = strconv.AppendInt(w.buf, int64(*v), 10)
	case *int64:
		w.buf = strconv.AppendInt(w.buf, *v, 10)
	case *time.Duration:
		w.buf = strconv.AppendInt(w.buf, int64(*v), 10)
	case *uint64:
		w.buf = strconv.AppendUint(w.buf, *v, 10)
	case *droppedEvents:
		w.buf = strconv.AppendUint(w.buf, v.dropped, 10)
	case *UnixNano:
		w.marshal(*v)
	case *[]string:
		w.list(*v == nil, len(*v), func(i int) { w.string((*v)[i]) })
	case *map[string]string:
		writeMap(w, *v, w.string)
	case *map[string]int:
		writeMap(w, *v, func(n int) { w.value(&n) })
	case *map[string]float64:
		writeMap(w, *v, func(f float64) { w.marshal(f) })
	case *map[string]any:
		w.marshal(*v)
	case *EventRing:
		writeStructs(w, slices.Collect(v.All()))
	case structField:
		v.write(w)
	case jsonStruct:
		w.object(v)
	}
}

func (w *jsonWriter) object(s jsonStruct) {
	w.buf = append(w.buf, '{')
	s.visit(w)
	w.buf = append(w.buf, '}')
}

func writePointer[T any, P pointerTo[T]](w *jsonWriter, v P) {
	if v == nil {
		w.null()
		return
	}
	w.object(v)
}

func (w *jsonWriter) null() { w.buf = append(w.buf, "null"...) }

func writeStructs[T any, P pointerTo[T]](w *jsonWriter, list []T) {
	w.list(list == nil, len(list), func(i int) { w.object(P(&list[i])) })
}

// list writes a list of n elements, or null.
func (w *jsonWriter) list(null bool, n int, write func(i int)) {
	if null {
		w.null()
		return
	}
	w.buf = append(w.buf, '[')
	for i := range n {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		write(i)
	}
	w.buf = append(w.buf, ']')
}

// writeMap writes a map in the order of its keys, or null for a nil map.
func writeMap[V any](w *jsonWriter, m map[string]V, write func(V)) {
	if m == nil {
		w.null()
		return
	}
	w.buf = append(w.buf, '{')
	for _, key := range slices.Sorted(maps.Keys(m)) {
		w.key(key)
		write(m[key])
	}
	w.buf = append(w.buf, '}')
}

// string writes a string. Most need no escapes.
func (w *jsonWriter) string(s string) {
	if !utf8.ValidString(s) && w.err == nil { // of a store that an older release wrote
		w.err = fmt.Errorf("%w: not UTF-8: %q", ErrInvalid, abbreviated(s))
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.marshal(s)
			return
		}
	}
	w.buf = append(append(append(w.buf, '"'), s...), '"')
}

// marshal writes a value as encoding/json does.
func (w *jsonWriter) marshal(v any) {
	text, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.buf = append(w.buf, text...)
}
