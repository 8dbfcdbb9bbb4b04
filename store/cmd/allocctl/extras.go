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
// Job.TaskGroups.Networks: without list indexes and map keys.
type extras map[string]int

// countExtras returns the extras of an allocation.
func countExtras(a *schema.Allocation) extras {
	e := make(extras)
	e.add("", reflect.ValueOf(a))
	return e
}

// add adds the extras at and below v: the keys of its fields Extra and ClientExtra.
func (e extras) add(path string, v reflect.Value) {
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

func (e extras) addFields(path string, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		kept, isExtra := v.Field(i).Interface().(map[string]json.RawMessage)
		switch {
		case isExtra && (field.Name == "Extra" || field.Name == "ClientExtra"):
			for key := range kept {
				e[joined(path, key)]++
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

// addAll adds the counts of other.
func (e extras) addAll(other extras) {
	for path, n := range other {
		e[path] += n
	}
}

// String lists the paths with their counts, the most frequent first.
func (e extras) String() string {
	const longest = 20
	paths := slices.SortedFunc(maps.Keys(e), func(x, y string) int {
		if e[x] != e[y] {
			return e[y] - e[x]
		}
		return strings.Compare(x, y)
	})
	var list []string
	for _, path := range paths[:min(len(paths), longest)] {
		list = append(list, fmt.Sprintf("%s %d", plain(path), e[path]))
	}
	if more := len(paths) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d other keys", more))
	}
	return strings.Join(list, ", ")
}
