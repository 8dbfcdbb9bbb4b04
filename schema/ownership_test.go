package schema

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientOwns are the client's fields; all others but the ID and the three
// indexes are the scheduler's.
var clientOwns = map[string]bool{"ClientStatus": true, "ClientDescription": true, "TaskStates": true}

// requireFields compares got with one of from by each field. A field that is
// not named comes from from[""]; reference fields must be the very same.
func requireFields(t *testing.T, got *Allocation, from map[string]*Allocation, rule string) {
	t.Helper()
	g := reflect.ValueOf(got).Elem()
	for i := range g.NumField() {
		name := g.Type().Field(i).Name
		source, ok := from[name]
		if !ok {
			source = from[""]
		}
		want := reflect.ValueOf(source).Elem().Field(i)
		require.Equal(t, want.Interface(), g.Field(i).Interface(), "%s: %s", rule, name)
		if kind := want.Kind(); kind == reflect.Map || kind == reflect.Pointer {
			require.Equal(t, want.Pointer(), g.Field(i).Pointer(), "%s: %s must be shared, not copied", rule, name)
		}
	}
}

// pair returns two random allocations, and a check that they are unchanged.
func pair(t *testing.T, r *rand.Rand) (stored, upd *Allocation, unchanged func()) {
	stored, upd = randomAllocation(r), randomAllocation(r)
	storedWas, updWas := stored.Clone(), upd.Clone()
	return stored, upd, func() {
		t.Helper()
		require.Equal(t, storedWas, stored, "what is stored is never changed")
		require.Equal(t, updWas, upd, "the caller's is never changed")
	}
}

const at = 1 << 40 // an index that no random allocation is likely to have

func TestInserted(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 100 {
		_, upd, unchanged := pair(t, r)
		indexes := &Allocation{CreateIndex: at, ModifyIndex: at, AllocModifyIndex: at}
		requireFields(t, Inserted(upd, at), map[string]*Allocation{
			"": upd, "CreateIndex": indexes, "ModifyIndex": indexes, "AllocModifyIndex": indexes,
		}, "insert: CreateIndex = ModifyIndex = AllocModifyIndex = index")
		unchanged()
	}
}

func TestSchedulerUpdate(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 100 {
		stored, upd, unchanged := pair(t, r)
		indexes := &Allocation{ModifyIndex: at, AllocModifyIndex: at}
		from := map[string]*Allocation{
			"": upd, "ID": stored, "CreateIndex": stored, "ModifyIndex": indexes, "AllocModifyIndex": indexes,
		}
		for name := range clientOwns {
			from[name] = stored
		}
		if upd.Job == nil {
			from["Job"] = stored
		}
		requireFields(t, SchedulerUpdate(stored, upd, at), from, "the scheduler owns everything but what the client owns")
		unchanged()
	}
}

func TestSchedulerMayReportLostAndUnknownOnly(t *testing.T) {
	t.Parallel()
	stored := &Allocation{ClientStatus: "was", ClientDescription: "was", TaskStates: map[string]*TaskState{}}
	for status, taken := range map[string]bool{
		ClientStatusLost: true, ClientStatusUnknown: true, ClientStatusFailed: false, ClientStatusComplete: false,
		ClientStatusRunning: false, ClientStatusPending: false, "": false, "Lost": false, "other": false,
	} {
		require.Equal(t, taken, SchedulerMayReport(status), "the scheduler may set %q", status)
		got := SchedulerUpdate(stored, &Allocation{ClientStatus: status, ClientDescription: "new"}, at)
		want := map[bool]string{true: status, false: "was"}[taken]
		require.Equal(t, want, got.ClientStatus, "the scheduler may set ClientStatus only to lost or unknown, not to %q", status)
		require.Equal(t, "was", got.ClientDescription, "the client keeps its description")
	}
}

func TestClientUpdate(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 100 {
		stored, upd, unchanged := pair(t, r)
		from := map[string]*Allocation{"": stored, "ModifyIndex": {ModifyIndex: at}}
		for name := range clientOwns {
			from[name] = upd
		}
		requireFields(t, ClientUpdate(stored, upd, at), from, "the client sets what it owns and ModifyIndex only")
		unchanged()
	}
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	stored, _, unchanged := pair(t, seeded(t))
	requireFields(t, Superseded(stored, "next", at), map[string]*Allocation{
		"": stored, "ModifyIndex": {ModifyIndex: at}, "NextAllocation": {NextAllocation: "next"},
	}, "the replaced row gets NextAllocation and ModifyIndex, not AllocModifyIndex")
	unchanged()
}

func TestRecordTaskEvent(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	ev := TaskEvent{Type: TaskStarted, Time: 5}
	for range 100 {
		stored, _, unchanged := pair(t, r)
		for _, task := range []string{"new", anyTask(stored)} {
			got := RecordTaskEvent(stored, task, TaskStateRunning, ev, at)
			unchanged()
			requireFields(t, got, map[string]*Allocation{"": stored, "ModifyIndex": {ModifyIndex: at}, "TaskStates": got}, "an event changes its task's state and ModifyIndex only")
			want := TaskState{State: TaskStatePending}
			if was := stored.TaskStates[task]; was != nil {
				want = *was
			}
			want.Record(TaskStateRunning, ev)
			require.Equal(t, &want, got.TaskStates[task], "the task's state is what Record makes of it")
			for name, was := range stored.TaskStates {
				require.True(t, name == task || got.TaskStates[name] == was, "the other tasks' states are shared")
			}
		}
	}
	got := RecordTaskEvent(&Allocation{}, "task", "", ev, at)
	require.Equal(t, TaskStatePending, got.TaskStates["task"].State, "a task not seen before starts as pending")
	got = RecordTaskEvent(&Allocation{TaskStates: map[string]*TaskState{"task": nil}}, "task", "", ev, at)
	require.Equal(t, TaskStatePending, got.TaskStates["task"].State, "a nil state is one not seen before")
}

// anyTask returns a task that a has, if it has one.
func anyTask(a *Allocation) string {
	for task := range a.TaskStates {
		return task
	}
	return "none"
}
