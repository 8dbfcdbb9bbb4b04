package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestImportTakesExports exports random allocations, of which some are larger than the store's default limit and their
// lines longer than 16 MiB, and imports them: by default all are taken and are the same, also as an array, over many
// lines and compressed.
func TestImportTakesExports(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 3))
			from := filepath.Join(t.TempDir(), "from.db")
			s, err := store.Open(from, &store.Options{MaxAllocationBytes: 64 << 20, MaxBatchBytes: 256 << 20})
			require.NoError(t, err)
			const count = 40
			want := make(map[string][]string)
			for n := range count {
				a := randomAllocation(rnd, n)
				if n == 7 && seed == 0 {
					a.Name = strings.Repeat("\x01<", 3<<19) // 6 characters of JSON each
				}
				_, err := s.Upsert(t.Context(), a)
				require.NoError(t, err)
				_, err = s.UpdateFromClient(t.Context(), a)
				require.NoError(t, err)
				a.JobID = cmp.Or(a.JobID, a.Job.ID) // as the store does
				want[a.ID] = valuesOf(a)
			}
			require.NoError(t, s.Close())
			_, text, _ := runText(t, "", "-f", from, "export")
			require.True(t, seed > 0 || len(text) > 16<<20, "a long line")
			texts := map[string]string{"lines": text}
			if len(text) < 16<<20 {
				texts = forms(t, text)
			}
			for form, text := range texts {
				to := filepath.Join(t.TempDir(), form+".db")
				code, _, said := runText(t, text, "-f", to, "import")
				require.Zero(t, code, "%s: %s", form, said)
				require.Contains(t, said, "40 allocations: 40 inserted;")
				got := stored(t, to)
				for id, values := range want {
					require.Equal(t, values, got[id], form)
				}
				require.Len(t, got, count)
			}
			backup, copied := from+".bak", from+".copy"
			for _, args := range [][]string{{"-f", from, "backup", backup}, {"-f", copied, "restore", backup}} {
				code, _, said := runText(t, "", args...)
				require.Zero(t, code, said)
			}
			require.Equal(t, want, stored(t, copied))
		})
	}
}

// stored returns the values of the allocations of a store by their IDs.
func stored(t *testing.T, path string) map[string][]string {
	s, err := store.Open(path, &store.Options{ReadOnly: true})
	require.NoError(t, err)
	all := make(map[string][]string)
	for a, err := range s.All() {
		require.NoError(t, err)
		all[a.ID] = valuesOf(a)
	}
	require.NoError(t, s.Close())
	return all
}

// valuesOf returns the values of an allocation that are not zero, each with its path, without the indexes. It knows
// nothing of JSON, so it also has a field that the JSON lacks.
func valuesOf(a *schema.Allocation) (values []string) {
	plain := *a
	plain.CreateIndex, plain.ModifyIndex, plain.AllocModifyIndex = 0, 0, 0
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				values = append(values, path)
				walk(path, v.Elem())
			}
		case reflect.Slice:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				text := strings.ReplaceAll(string(v.Bytes()), `\u00e9`, "\u00e9") // the escapes may differ
				values = append(values, path+" "+text)
				return
			}
			for i := range v.Len() {
				values = append(values, fmt.Sprintf("%s[%d]", path, i))
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		case reflect.Map:
			for key, value := range v.Seq2() {
				values = append(values, fmt.Sprintf("%s[%q]", path, key))
				walk(fmt.Sprintf("%s[%q]", path, key), value)
			}
		case reflect.Struct:
			if ring, ok := v.Interface().(schema.EventRing); ok {
				walk(path, reflect.ValueOf(slices.Collect(ring.All())))
				return
			}
			for i := range v.NumField() {
				if field := v.Type().Field(i); field.IsExported() {
					walk(path+"."+field.Name, v.Field(i))
				}
			}
		default:
			if !v.IsZero() {
				values = append(values, fmt.Sprintf("%s %v %q", path, v.Kind(), fmt.Sprint(v)))
			}
		}
	}
	walk("", reflect.ValueOf(plain))
	slices.Sort(values)
	return values
}

// forms returns an export in other forms.
func forms(t *testing.T, lines string) map[string]string {
	array := "[" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", ",\n") + "]"
	var pretty, packed bytes.Buffer
	require.NoError(t, json.Indent(&pretty, []byte(array), "", "  "))
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write(pretty.Bytes())
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return map[string]string{"lines": lines, "array": array, "pretty": pretty.String(), "gzip": packed.String()}
}

// exported returns the allocations of an export by their IDs, as JSON without the indexes.
func exported(t *testing.T, path string) map[string]string {
	code, text, said := runText(t, "", "-f", path, "export")
	require.Zero(t, code, said)
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		a, err := schema.DecodeJSON([]byte(line))
		require.NoError(t, err)
		a.CreateIndex, a.ModifyIndex, a.AllocModifyIndex = 0, 0, 0
		plain, err := json.Marshal(a)
		require.NoError(t, err)
		all[a.ID] = string(plain)
	}
	return all
}

// randomAllocation returns an allocation with a value in nearly every field.
func randomAllocation(rnd *rand.Rand, n int) *schema.Allocation {
	a := new(schema.Allocation)
	fill(rnd, reflect.ValueOf(a).Elem())
	a.ID = fmt.Sprintf("%08x-0000-0000-0000-000000000000", n)
	a.PreviousAllocation, a.NextAllocation = "", ""
	a.ClientExtra = map[string]json.RawMessage{"NetworkStatus": json.RawMessage(`{"Port":18446744073709551616}`)}
	if a.Job == nil {
		a.Job = new(schema.Job)
	}
	a.TaskStates = map[string]*schema.TaskState{"web": {State: schema.TaskStateDead}}
	for range rnd.IntN(15) {
		var event schema.TaskEvent
		fill(rnd, reflect.ValueOf(&event).Elem())
		a.TaskStates["web"].Events.Append(event)
	}
	return a
}

// fill fills v with random values. Some are zero, except pointers in lists and maps.
func fill(rnd *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"example", "", "a\nb\"\\", "caf\u00e9 \u2028 \U0001f600", "<&>", "\x00\x7f"}[rnd.IntN(6)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(rnd.Int64() >> rnd.IntN(64))
	case reflect.Uint64:
		v.SetUint(rnd.Uint64() >> rnd.IntN(64))
	case reflect.Float64:
		v.SetFloat(rnd.NormFloat64())
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rnd, v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), rnd.IntN(3), 3))
		}
		for i := range v.Len() {
			fill(rnd, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		if raw, ok := value.Addr().Interface().(*json.RawMessage); ok {
			*raw = json.RawMessage([]string{`123456789012345678901234567890.10`, `{"b":[1e3,"\u00e9<",null]}`, `"x"`}[rnd.IntN(3)])
		} else {
			fill(rnd, value)
		}
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{nil, true, "text", int64(-1) << 62, 1.5, []any{"a", map[string]any{"b": 1.25}}}[rnd.IntN(5)+1]))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && rnd.IntN(8) > 0 {
				fill(rnd, v.Field(i))
			}
		}
	}
}
