package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// extraPaths gives an extra key to v and to all structs below it, and returns the paths of the keys.
func extraPaths(v reflect.Value, path string) (paths []string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return extraPaths(v.Elem(), path)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return extraPaths(v.Index(0), path)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		paths = extraPaths(value, path)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("Extra").Convert(v.Type().Key()), value)
	case reflect.Struct:
		if ring, ok := v.Addr().Interface().(*schema.EventRing); ok {
			var event schema.TaskEvent
			paths = extraPaths(reflect.ValueOf(&event).Elem(), path)
			ring.Append(event)
			return paths
		}
		for i := range v.NumField() {
			switch name := v.Type().Field(i).Name; name {
			case "Extra", "ClientExtra":
				v.Field(i).Set(reflect.ValueOf(map[string]json.RawMessage{name + "1": nil}))
				paths = append(paths, strings.TrimPrefix(path+"."+name+"1", "."))
			default:
				paths = append(paths, extraPaths(v.Field(i), strings.TrimPrefix(path+"."+name, "."))...)
			}
		}
	}
	return paths
}

// TestExtras has an extra key at every level of an allocation: all are counted by path, and no key of a free-form map.
func TestExtras(t *testing.T) {
	t.Parallel()
	a := new(schema.Allocation)
	want := make(map[string]int)
	paths := extraPaths(reflect.ValueOf(a).Elem(), "")
	for _, path := range paths {
		want[path]++
	}
	require.Greater(t, len(want), 20)
	for _, path := range []string{"Extra1", "ClientExtra1", "Job.TaskGroups.Tasks.Extra1", "TaskStates.Events.Extra1", "Metrics.Extra1"} {
		require.Contains(t, want, path)
	}
	require.Equal(t, &extras{counts: want}, countExtras(a))
	require.True(t, countExtras(new(schema.Allocation)).empty())
}

// TestExtrasString lists the most frequent keys first, and not more than fit a message.
func TestExtrasString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "b 2, a 1, c 1", (&extras{counts: map[string]int{"a": 1, "b": 2, "c": 1}}).String())
	many := new(extras)
	for _, key := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		many.count(key, 3)
	}
	require.True(t, strings.HasSuffix(many.String(), "t 3, and 18 other keys"), many.String())
	require.False(t, slices.Contains(strings.Split(many.String(), " "), "u"))
	require.Equal(t, `\x1b[2J 1`, (&extras{counts: map[string]int{"\x1b[2J": 1}}).String())
	require.Equal(t, "and 1 other key", (&extras{others: 1}).String())
}

// TestExtrasAreBounded imports allocations of which each has keys of its own, and long ones: few are kept in memory,
// those that are known are still counted, and all are in the sum.
func TestExtrasAreBounded(t *testing.T) {
	t.Parallel()
	const lines = 700
	var text strings.Builder
	for n := range lines {
		fmt.Fprintf(&text, `{"ID":%q,"Job":{"ID":"a"},"x":1,"y%d":1,"z%d":1,"%s%d":1}`+"\n", numbered(n), n, n, strings.Repeat("long", 100), n)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "state.db"), nil)
	require.NoError(t, err)
	im := &importer{report: io.Discard, most: importBatch, maxText: 1 << 20}
	require.NoError(t, im.importAll(t.Context(), s, strings.NewReader(text.String())))
	require.Equal(t, maxPaths, len(im.extras.counts))
	require.Equal(t, lines, im.extras.counts["x"])
	sum := im.extras.others
	for path, n := range im.extras.counts {
		require.LessOrEqual(t, len(path), maxPath)
		sum += n
	}
	require.Equal(t, 4*lines, sum)
	require.Regexp(t, "^x 700, .* 1, and 2,081 other keys$", im.extras.String())
	require.NoError(t, s.Close())
}
