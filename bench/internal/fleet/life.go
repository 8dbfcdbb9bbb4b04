package fleet

import (
	"time"

	"allocstore/schema"
)

// life is the cycle of events that every task repeats.
var life = []struct {
	state string
	event schema.TaskEvent
}{
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskReceived}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskSetup, Message: "Building Task Directory"}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskDownloadingArtifacts}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskDriverMessage, DriverMessage: "Downloading image redis:latest"}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskTerminated, ExitCode: 137, Signal: 9, Message: "OOM killed"}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskRestarting, RestartReason: "Restart within policy", StartDelay: int64(25 * time.Second)}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskSignaling, TaskSignal: "SIGHUP", TaskSignalReason: "Template re-rendered"}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskRestartSignaled, RestartReason: "User requested restart"}},
}

// Event returns event n, counted from 0, of allocation i. All events of an allocation have different times.
func Event(i, n int) schema.TaskEvent {
	ev := life[n%len(life)].event
	ev.Time = 1447806038427841000 + int64(i)*int64(time.Second) + int64(n)*int64(time.Millisecond)
	return ev
}

// Record records event n of allocation i in the state of its task.
func Record(ts *schema.TaskState, i, n int) { ts.Record(life[n%len(life)].state, Event(i, n)) }

// State returns the task state of allocation i after its first n events, which it records one by one.
func State(i, n int) *schema.TaskState {
	ts := new(schema.TaskState)
	for k := range n {
		Record(ts, i, k)
	}
	return ts
}

// Update returns the update that the client of allocation i sends when its task has
// the state ts. It holds the whole state, as Nomad clients send it.
func (f *Fleet) Update(i int, ts *schema.TaskState) *schema.Allocation {
	return &schema.Allocation{ID: f.ID(i), ClientStatus: clientStatus(ts), TaskStates: map[string]*schema.TaskState{f.task: ts}}
}

func clientStatus(ts *schema.TaskState) string {
	if ts.State == schema.TaskStateRunning {
		return schema.ClientStatusRunning
	}
	return schema.ClientStatusPending
}
