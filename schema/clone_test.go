package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filler sets every field to a value of its own.
type filler struct{ n int }

func (f *filler) fill(t *testing.T, v reflect.Value) {
	t.Helper()
	f.n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("value ", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem())
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes(fmt.Append(nil, f.n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(t, v.Index(0))
		f.fill(t, v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			element := reflect.New(v.Type().Elem()).Elem()
			f.fill(t, element)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key ", f.n)), element)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(freeFormReferences()))
	case reflect.Struct:
		f.fields(t, v)
	default:
		require.Fail(t, "a kind that this test does not know", "%s: teach filler, references and Clone", v.Type())
	}
}

func (f *filler) fields(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[EventRing]() {
		var ev TaskEvent
		f.fill(t, reflect.ValueOf(&ev).Elem())
		v.Set(reflect.ValueOf(ringOf([]TaskEvent{ev, ev})))
		return
	}
	for i := range v.NumField() {
		require.True(t, v.Type().Field(i).IsExported(), "%s has a field that this test cannot fill", v.Type())
		f.fill(t, v.Field(i))
	}
}

// freeFormReferences has every type of list and map that a Config takes, nested.
func freeFormReferences() any {
	return map[string]any{
		"list":  []any{[]any{"a"}, map[string]any{"b": []any{int64(1)}}, json.Number("5"), time.Second},
		"texts": []string{"a"},
		"ints":  []int{1},
		"map":   map[string]string{"a": "b"},
		"maps":  []map[string]any{{"a": []any{1.5}}},
		"plain": []map[string]string{{"a": "b"}},
	}
}

// references collects the addresses of the pointers, lists and maps under v.
func references(t *testing.T, v reflect.Value, path string, found map[string]uintptr) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		require.False(t, v.IsNil(), "%s must be filled", path)
		found[path] = v.Pointer()
	case reflect.Interface:
		references(t, v.Elem(), path, found)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		references(t, v.Elem(), path, found)
	case reflect.Slice:
		for i := range v.Len() {
			references(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i), found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			references(t, v.MapIndex(key), fmt.Sprintf("%s[%q]", path, key), found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			references(t, v.Field(i), path+"."+v.Type().Field(i).Name, found)
		}
	}
}

// TestCloneSharesNothing fails if a type inside an allocation gets a new reference and Clone does
// not copy it.
func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	a := new(Allocation)
	new(filler).fill(t, reflect.ValueOf(a).Elem())
	c := a.Clone()
	require.Equal(t, a, c, "a clone is equal")
	ours, theirs := map[string]uintptr{}, map[string]uintptr{}
	references(t, reflect.ValueOf(a), "Allocation", ours)
	references(t, reflect.ValueOf(c), "Allocation", theirs)
	require.Greater(t, len(ours), 100, "every field must have been filled")
	at := make(map[uintptr]string)
	for path, pointer := range ours {
		at[pointer] = path
	}
	for path, pointer := range theirs {
		require.Empty(t, at[pointer], "%s of the clone is shared with the original", path)
	}

	j := a.Job.Clone()
	require.Equal(t, a.Job, j, "a job's clone is equal")
	theirs = map[string]uintptr{}
	references(t, reflect.ValueOf(j), "Job", theirs)
	for path, pointer := range theirs {
		require.Empty(t, at[pointer], "%s of the job's clone is shared with the original", path)
	}
}

func TestCloneKeepsNil(t *testing.T) {
	t.Parallel()
	require.Nil(t, (*Allocation)(nil).Clone())
	require.Nil(t, (*Job)(nil).Clone())
	require.Equal(t, &Allocation{}, new(Allocation).Clone(), "nil stays nil")
	holes := &Allocation{TaskStates: map[string]*TaskState{"a": nil}, TaskResources: map[string]*Resources{"a": nil}, Job: &Job{Datacenters: []string{}}}
	require.Equal(t, holes, holes.Clone(), "nil stays nil and empty stays empty")
	r := seeded(t)
	for range 300 {
		a := randomAllocation(r)
		require.Equal(t, a, a.Clone(), "a clone is equal")
	}
}
