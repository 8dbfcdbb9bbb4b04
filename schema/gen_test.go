package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
)

// randomAllocation returns an allocation with random fields: nil, empty or filled. Its free-form
// values have canonical types.
func randomAllocation(r *rand.Rand) *Allocation {
	a := new(Allocation)
	g := generator{r}
	g.fill(reflect.ValueOf(a).Elem(), 0)
	a.ID = g.id().String()
	a.PreviousAllocation, a.NextAllocation = "", ""
	if r.IntN(2) == 0 {
		a.PreviousAllocation, a.NextAllocation = g.id().String(), g.id().String()
	}
	return a
}

type generator struct{ *rand.Rand }

func (g generator) id() (id ID) {
	for i := range id {
		id[i] = byte(g.Uint32())
	}
	return id
}

func (g generator) fill(v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[EventRing]() {
		v.Set(reflect.ValueOf(g.ring()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(g.text())
	case reflect.Bool:
		v.SetBool(g.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(g.integer())
		if v.Type() == reflect.TypeFor[UnixNano]() && g.IntN(2) == 0 {
			v.SetInt(0)
		}
	case reflect.Uint64:
		v.SetUint(g.Uint64() >> g.UintN(64))
	case reflect.Float64:
		v.SetFloat(math.Trunc(g.NormFloat64()*1e6) / 1e3)
	case reflect.Pointer:
		if g.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			g.fill(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "Extra":
				v.Field(i).Set(reflect.ValueOf(g.extra("x-" + g.text())))
			case "ClientExtra":
				v.Field(i).Set(reflect.ValueOf(g.extra(clientKeys[:]...)))
			default:
				g.fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		if n := g.IntN(4); n > 0 || g.IntN(2) == 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				g.fill(v.Index(i), depth+1)
			}
		}
	case reflect.Map:
		g.fillMap(v, depth)
	case reflect.Interface:
		if value := g.freeForm(0); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	}
}

func (g generator) fillMap(v reflect.Value, depth int) {
	if g.IntN(4) == 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := range g.IntN(4) {
		element := reflect.New(v.Type().Elem()).Elem()
		g.fill(element, depth+1)
		if element.Kind() == reflect.Pointer && element.IsNil() {
			element.Set(reflect.New(element.Type().Elem()))
		}
		v.SetMapIndex(reflect.ValueOf(fmt.Sprint(g.text(), i)), element)
	}
}

// extra returns some of the extra keys, or nil.
func (g generator) extra(keys ...string) extras {
	var m extras
	for _, key := range keys {
		if g.IntN(3) > 0 {
			continue
		}
		if m == nil {
			m = make(extras)
		}
		text, err := json.Marshal(g.freeForm(0))
		if err != nil {
			panic(err)
		}
		if g.IntN(4) == 0 {
			text = []byte(`{"b":1.50e400,"a":-0.0,"a":[" \ud800",10000000000000000000001]}`)
		}
		m[key] = canonicalJSON(text)
	}
	return m
}

func (g generator) integer() int64 { return int64(g.Uint64()) >> g.UintN(64) }

func (g generator) text() string {
	const letters = "abcXYZ 0189-_äé世\"\\<&\n"
	var s strings.Builder
	for range g.IntN(12) {
		s.WriteRune([]rune(letters)[g.IntN(len([]rune(letters)))])
	}
	return s.String()
}

// ring returns a ring, which sometimes has dropped events.
func (g generator) ring() (ring EventRing) {
	for range g.IntN(14) {
		ev := TaskEvent{Type: TaskStarted, Time: g.integer(), Message: g.text(), ExitCode: g.IntN(3)}
		if g.IntN(4) == 0 {
			g.fill(reflect.ValueOf(&ev).Elem(), 0)
			if len(ev.Details) == 0 {
				ev.Details = nil
			}
		}
		ring.Append(ev)
	}
	return ring
}

// freeForm returns a value that both encodings keep exactly.
func (g generator) freeForm(depth int) any {
	switch g.IntN(9) {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return g.integer()
	case 3:
		return g.Uint64() | 1<<63
	case 4:
		return g.Float64() + 0.5*float64(g.IntN(2)) + 1e-9
	case 5, 6:
		return g.text()
	}
	if depth > 3 {
		return int64(0)
	}
	if g.IntN(2) == 0 {
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.freeForm(depth+1))
		}
		return list
	}
	m := map[string]any{}
	for range g.IntN(3) {
		m[g.text()] = g.freeForm(depth + 1)
	}
	return m
}
