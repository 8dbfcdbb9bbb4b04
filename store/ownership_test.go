package store_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// filler sets every field of an allocation to a value that no other has.
type filler struct{ n int }

func (f *filler) alloc(id string) *schema.Allocation {
	a := new(schema.Allocation)
	f.fill(reflect.ValueOf(a).Elem())
	a.ID, a.PreviousAllocation, a.NextAllocation = id, testID(f.n), testID(f.n+1)
	return a
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	if v.Type() == reflect.TypeFor[json.RawMessage]() {
		v.SetBytes(fmt.Append(nil, f.n))
		return
	}
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
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		element := reflect.New(v.Type().Elem()).Elem()
		f.fill(element)
		v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key ", f.n)), element)
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Sprint("free ", f.n)))
	case reflect.Struct:
		f.fields(v)
	}
}

func (f *filler) fields(v reflect.Value) {
	if ring, ok := v.Addr().Interface().(*schema.EventRing); ok {
		ring.Append(schema.TaskEvent{Type: schema.TaskStarted, Time: int64(f.n)})
		return
	}
	for i := range v.NumField() {
		f.fill(v.Field(i))
		if v.Type().Field(i).Name == "ClientExtra" {
			v.Field(i).Set(reflect.ValueOf(map[string]json.RawMessage{"NetworkStatus": json.RawMessage(fmt.Sprint(f.n))}))
		}
	}
}

func testID(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// clientOwns are the client's fields. All others except the ID and the three indexes are the
// scheduler's.
var clientOwns = []string{"ClientStatus", "ClientDescription", "TaskStates", "ClientExtra"}

// requireFields compares each field of the stored allocation with that of one of from, which
// is from[""] for a field that is not named.
func requireFields(t *testing.T, s *store.Store, id string, from map[string]*schema.Allocation, rule string) {
	t.Helper()
	got, err := s.Get(id)
	require.NoError(t, err)
	g := reflect.ValueOf(got).Elem()
	for i := range g.NumField() {
		name := g.Type().Field(i).Name
		source, ok := from[name]
		if !ok {
			source = from[""]
		}
		require.Equal(t, reflect.ValueOf(source).Elem().Field(i).Interface(), g.Field(i).Interface(), "%s: %s", rule, name)
	}
}

// TestOwnership writes allocations that differ in every field, and looks at each field.
func TestOwnership(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "owner.db"), nil)
	var f filler
	id := testID(1 << 30)
	first, second, third, report := f.alloc(id), f.alloc(id), f.alloc(id), f.alloc(id)
	third.Job = nil
	given := []*schema.Allocation{first.Clone(), second.Clone(), third.Clone(), report.Clone()}

	applied, err := s.Upsert(t.Context(), first)
	require.NoError(t, err)
	created := at(applied)
	from := map[string]*schema.Allocation{"": first, "CreateIndex": created, "ModifyIndex": created, "AllocModifyIndex": created}
	requireFields(t, s, id, from, "insert: CreateIndex = ModifyIndex = AllocModifyIndex = index")

	for _, name := range clientOwns {
		from[name] = first
	}
	for _, upd := range []*schema.Allocation{second, third} {
		applied, err = s.Upsert(t.Context(), upd)
		require.NoError(t, err)
		from[""], from["ModifyIndex"], from["AllocModifyIndex"] = upd, at(applied), at(applied)
		if upd.Job == nil {
			from["Job"] = second
		}
		requireFields(t, s, id, from, "the scheduler owns every field but the client's")
	}

	applied, err = s.UpdateFromClient(t.Context(), report)
	require.NoError(t, err)
	from["ModifyIndex"] = at(applied)
	for _, name := range clientOwns {
		from[name] = report
	}
	requireFields(t, s, id, from, "the client sets its own fields and ModifyIndex only")

	applied, err = s.SetClientStatus(t.Context(), id, "complete", "all done")
	require.NoError(t, err)
	from["ModifyIndex"] = at(applied)
	from["ClientStatus"], from["ClientDescription"] = &schema.Allocation{ClientStatus: "complete"}, &schema.Allocation{ClientDescription: "all done"}
	requireFields(t, s, id, from, "SetClientStatus sets the status, its description and ModifyIndex only")

	applied, err = s.SetDesiredStatus(t.Context(), id, "stop", "drained")
	require.NoError(t, err)
	from["ModifyIndex"], from["AllocModifyIndex"] = at(applied), at(applied)
	from["DesiredStatus"], from["DesiredDescription"] = &schema.Allocation{DesiredStatus: "stop"}, &schema.Allocation{DesiredDescription: "drained"}
	requireFields(t, s, id, from, "SetDesiredStatus sets the status, its description, ModifyIndex and AllocModifyIndex only")

	next := f.alloc(testID(1<<30 + 1))
	next.PreviousAllocation = id
	applied, err = s.Upsert(t.Context(), next)
	require.NoError(t, err)
	from["ModifyIndex"], from["NextAllocation"] = at(applied), &schema.Allocation{NextAllocation: next.ID}
	requireFields(t, s, id, from, "the replaced row gets NextAllocation and ModifyIndex, not AllocModifyIndex")
	require.Equal(t, given, []*schema.Allocation{first, second, third, report}, "the caller's allocation is never changed")
}

// at returns an allocation whose indexes are all that of applied.
func at(applied store.Applied) *schema.Allocation {
	return &schema.Allocation{CreateIndex: applied.Index, ModifyIndex: applied.Index, AllocModifyIndex: applied.Index}
}

func TestSchedulerReportsLostAndUnknownOnly(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "report.db"), nil)
	var f filler
	was := f.alloc(testID(1 << 30))
	was.ClientStatus = "was"
	for status, taken := range map[string]bool{
		schema.ClientStatusLost: true, schema.ClientStatusUnknown: true, schema.ClientStatusFailed: false, schema.ClientStatusComplete: false,
		schema.ClientStatusRunning: false, schema.ClientStatusPending: false, "": false, "Lost": false, "other": false,
	} {
		_, err := s.Upsert(t.Context(), was)
		require.NoError(t, err)
		_, err = s.UpdateFromClient(t.Context(), was)
		require.NoError(t, err)
		report := *was
		report.ClientStatus, report.ClientDescription = status, "new"
		_, err = s.Upsert(t.Context(), &report)
		require.NoError(t, err)
		got, err := s.Get(was.ID)
		require.NoError(t, err)
		want := map[bool]string{true: status, false: "was"}[taken]
		require.Equal(t, want, got.ClientStatus, "the scheduler may set ClientStatus only to lost or unknown, not to %q", status)
		require.Equal(t, was.ClientDescription, got.ClientDescription, "the client keeps its description")
	}
}
