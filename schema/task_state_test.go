package schema

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	pending, running, dead := TaskStatePending, TaskStateRunning, TaskStateDead
	for _, c := range []struct {
		rule  string
		was   TaskState
		state string
		ev    TaskEvent
		want  TaskState
	}{
		{"an empty state leaves the state", TaskState{State: running, StartedAt: 1}, "", TaskEvent{Time: 9}, TaskState{State: running, StartedAt: 1}},
		{"StartedAt moves when the state becomes running", TaskState{State: pending, StartedAt: 1}, running, TaskEvent{Time: 9}, TaskState{State: running, StartedAt: 9}},
		{"StartedAt stays when it was running", TaskState{State: running, StartedAt: 1}, running, TaskEvent{Time: 9}, TaskState{State: running, StartedAt: 1}},
		{"FinishedAt is set on dead", TaskState{State: running, StartedAt: 1}, dead, TaskEvent{Time: 9}, TaskState{State: dead, StartedAt: 1, FinishedAt: 9}},
		{"FinishedAt stays when it was dead", TaskState{State: dead, FinishedAt: 1}, dead, TaskEvent{Time: 9}, TaskState{State: dead, FinishedAt: 1}},
		{"FinishedAt stays when a dead task has an event", TaskState{State: dead, FinishedAt: 1}, "", TaskEvent{Time: 9}, TaskState{State: dead, FinishedAt: 1}},
		{"FinishedAt is cleared when the task lives again", TaskState{State: dead, FinishedAt: 1}, pending, TaskEvent{Time: 9}, TaskState{State: pending}},
		{"a dead task may run again at once", TaskState{State: dead, StartedAt: 1, FinishedAt: 2}, running, TaskEvent{Time: 9}, TaskState{State: running, StartedAt: 9}},
		{"states are an open set", TaskState{State: running, StartedAt: 1}, "paused", TaskEvent{Time: 9}, TaskState{State: "paused", StartedAt: 1}},
		{"Restarting counts", TaskState{State: running, Restarts: 4, LastRestart: 1}, pending, TaskEvent{Type: TaskRestarting, Time: 9}, TaskState{State: pending, Restarts: 5, LastRestart: 9}},
		{"Restart Signaled does not count", TaskState{State: running}, "", TaskEvent{Type: TaskRestartSignaled, Time: 9}, TaskState{State: running}},
		{"an event that fails the task sets Failed", TaskState{}, "", TaskEvent{Type: TaskDriverFailure, FailsTask: true}, TaskState{Failed: true}},
		{"one that does not say so does not", TaskState{}, "", TaskEvent{Type: TaskDriverFailure}, TaskState{}},
		{"Failed Validation fails the task", TaskState{}, "", TaskEvent{Type: TaskFailedValidation}, TaskState{Failed: true}},
		{"Not Restarting fails the task", TaskState{}, "", TaskEvent{Type: TaskNotRestarting}, TaskState{Failed: true}},
		{"Failed is sticky", TaskState{State: dead, Failed: true, FinishedAt: 1}, running, TaskEvent{Type: TaskStarted, Time: 9}, TaskState{State: running, Failed: true, StartedAt: 9}},
		{"an event may come from before", TaskState{State: running, StartedAt: 8}, dead, TaskEvent{Time: 3}, TaskState{State: dead, StartedAt: 8, FinishedAt: 3}},
	} {
		got := c.was
		got.Record(c.state, c.ev)
		require.Equal(t, []TaskEvent{c.ev}, slices.Collect(got.Events.All()), "the event is kept: %s", c.rule)
		got.Events = EventRing{}
		require.Equal(t, c.want, got, "%s", c.rule)
	}
}

// TestRecordSurvivesTheRing restarts a task until its first events are gone.
func TestRecordSurvivesTheRing(t *testing.T) {
	t.Parallel()
	var ts TaskState
	ts.Record(TaskStatePending, TaskEvent{Type: TaskReceived, Time: 1, FailsTask: true})
	for i := range int64(50) {
		ts.Record(TaskStateRunning, TaskEvent{Type: TaskStarted, Time: 10 + 2*i})
		ts.Record(TaskStatePending, TaskEvent{Type: TaskRestarting, Time: 11 + 2*i})
	}
	require.Equal(t, MaxTaskEvents, ts.Events.Len(), "exactly the latest 10 are kept")
	require.Equal(t, uint64(101-MaxTaskEvents), ts.Events.Dropped(), "the others are counted")
	require.Equal(t, TaskEvent{Type: TaskStarted, Time: 100}, first(ts.Events), "oldest first")
	ts.Events = EventRing{}
	require.Equal(t, TaskState{State: TaskStatePending, Failed: true, Restarts: 50, LastRestart: 109, StartedAt: 108}, ts)
}

// TestRecordOnce records random events, many of them again, beside a slice of the latest ones. An
// event that is among them changes nothing of the task. An event is new if it differs in any
// field, if it has no Time, or if it is only a part of another event's message.
func TestRecordOnce(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	repeated := 0
	for range 300 {
		var ts TaskState
		var latest []TaskEvent
		sent := []TaskEvent{randomEvent(r)}
		for range 4 * MaxTaskEvents {
			ev := variant(r, sent[max(0, len(sent)-1-r.IntN(2*MaxTaskEvents))])
			sent = append(sent, ev)
			state := []string{"", TaskStateRunning, TaskStateDead}[r.IntN(3)]
			was := ts
			ts.Record(state, ev)
			if ev.Time != 0 && slices.ContainsFunc(latest, func(of TaskEvent) bool { return reflect.DeepEqual(of, ev) }) {
				require.Equal(t, was, ts, "an event that the ring has changes nothing, state %q included", state)
				repeated++
				continue
			}
			latest = append(latest, ev)
			latest = slices.Clone(latest[max(0, len(latest)-MaxTaskEvents):])
			require.Equal(t, latest, slices.Collect(ts.Events.All()), "any other event is the latest")
			if state != "" {
				require.Equal(t, state, ts.State)
			}
		}
	}
	require.Greater(t, repeated, 1000)
}

// variant returns ev as it is, or with another time, or with one field emptied, or an event
// with the bytes of ev in its message.
func variant(r *rand.Rand, ev TaskEvent) TaskEvent {
	switch r.IntN(8) {
	case 0:
		ev.Time = r.Int64N(3)
	case 1:
		ev.Time = r.Int64()
	case 2:
		ev.Message = string(appendEvent(nil, &ev))
	case 3:
		v := reflect.ValueOf(&ev).Elem()
		v.Field(r.IntN(v.NumField())).SetZero()
	}
	return ev
}

// TestRecordTaskEventOnce returns the stored allocation itself for an event that it has.
func TestRecordTaskEventOnce(t *testing.T) {
	t.Parallel()
	ev := TaskEvent{Type: TaskRestarting, Time: 9}
	first := RecordTaskEvent(&Allocation{}, "task", TaskStatePending, ev, 1)
	require.Same(t, first, RecordTaskEvent(first, "task", TaskStateDead, ev, 2))
	require.Equal(t, uint64(1), first.TaskStates["task"].Restarts, "it is counted once")
	require.NotSame(t, first, RecordTaskEvent(first, "another", "", ev, 2), "another task does not have it")
}

// requireFields compares each field of got with that of one of from, which is from[""] for a
// field that is not named. Reference fields must be identical.
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
		require.Equal(t, storedWas, stored, "the stored allocation is never changed")
		require.Equal(t, updWas, upd, "the caller's allocation is never changed")
	}
}

const writeIndex = 1 << 40 // no random allocation is likely to have it

func TestRecordTaskEvent(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	ev := TaskEvent{Type: TaskStarted, Time: 5}
	for range 100 {
		stored, _, unchanged := pair(t, r)
		for _, task := range []string{"new", anyTask(stored)} {
			got := RecordTaskEvent(stored, task, TaskStateRunning, ev, writeIndex)
			unchanged()
			requireFields(t, got, map[string]*Allocation{"": stored, "ModifyIndex": {ModifyIndex: writeIndex}, "TaskStates": got}, "an event changes its task's state and ModifyIndex only")
			want := TaskState{State: TaskStatePending}
			if was := stored.TaskStates[task]; was != nil {
				want = *was
			}
			want.Record(TaskStateRunning, ev)
			require.Equal(t, &want, got.TaskStates[task], "the task's state is the result of Record")
			for name, was := range stored.TaskStates {
				require.True(t, name == task || got.TaskStates[name] == was, "the other tasks' states are shared")
			}
		}
	}
	got := RecordTaskEvent(&Allocation{}, "task", "", ev, writeIndex)
	require.Equal(t, TaskStatePending, got.TaskStates["task"].State, "a task not seen before starts as pending")
	got = RecordTaskEvent(&Allocation{TaskStates: map[string]*TaskState{"task": nil}}, "task", "", ev, writeIndex)
	require.Equal(t, TaskStatePending, got.TaskStates["task"].State, "a nil state is one not seen before")
}

// anyTask returns a task of a; "none" if a has no tasks.
func anyTask(a *Allocation) string {
	for task := range a.TaskStates {
		return task
	}
	return "none"
}
