package schema

import (
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
