package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"allocstore/schema"
)

// extras counts the keys that are kept although they are not documented, by their paths, such as
// Job.TaskGroups.Networks: without list indexes and map keys. Its memory is bounded, whatever the keys are.
type extras struct {
	counts map[string]int // by path
	others int            // the keys without a count of their own
}

// The limits of extras: the number of paths that have a count, and the bytes of such a path.
const (
	maxPaths = 1000
	maxPath  = 256
)

// countExtras returns the extras of an allocation.
func countExtras(a *schema.Allocation) *extras {
	e := new(extras)
	e.add("", reflect.ValueOf(a))
	return e
}

// add adds the extras at and below v: the keys of its fields Extra and ClientExtra.
func (e *extras) add(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			e.add(path, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			e.add(path, v.Index(i))
		}
	case reflect.Map:
		for _, value := range v.Seq2() {
			e.add(path, value)
		}
	case reflect.Struct:
		if ring, ok := v.Interface().(schema.EventRing); ok {
			for event := range ring.All() {
				e.add(path, reflect.ValueOf(event))
			}
			return
		}
		e.addFields(path, v)
	}
}

func (e *extras) addFields(path string, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		kept, isExtra := v.Field(i).Interface().(map[string]json.RawMessage)
		switch {
		case isExtra && (field.Name == "Extra" || field.Name == "ClientExtra"):
			for key := range kept {
				e.count(joined(path, key), 1)
			}
		case !isExtra && hasFields(field.Type):
			e.add(joined(path, field.Name), v.Field(i))
		}
	}
}

// hasFields reports whether values of the type may have structs. Free-form maps do not count.
func hasFields(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return hasFields(t.Elem())
	}
	return t.Kind() == reflect.Struct
}

func joined(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// count counts n keys at the path.
func (e *extras) count(path string, n int) {
	_, known := e.counts[path]
	if !known && (len(e.counts) == maxPaths || len(path) > maxPath) {
		e.others += n
		return
	}
	if e.counts == nil {
		e.counts = make(map[string]int)
	}
	e.counts[path] += n
}

// addAll adds the counts of other.
func (e *extras) addAll(other *extras) {
	for path, n := range other.counts {
		e.count(path, n)
	}
	e.others += other.others
}

// empty reports whether there are no extras.
func (e *extras) empty() bool { return len(e.counts) == 0 && e.others == 0 }

// String lists the paths with their counts, the most frequent first. The rest is one count of keys.
func (e *extras) String() string {
	const longest = 20
	paths := slices.SortedFunc(maps.Keys(e.counts), func(x, y string) int {
		if e.counts[x] != e.counts[y] {
			return e.counts[y] - e.counts[x]
		}
		return strings.Compare(x, y)
	})
	var list []string
	others := e.others
	for i, path := range paths {
		if i >= longest {
			others += e.counts[path]
			continue
		}
		list = append(list, fmt.Sprintf("%s %d", plain(path), e.counts[path]))
	}
	if others > 0 {
		list = append(list, "and "+counted(others, "other key"))
	}
	return strings.Join(list, ", ")
}
