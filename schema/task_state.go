package schema

import "maps"

// TaskState is what the client knows of one task: where it stands, and its
// latest events. Everything but Events survives the ring: it is kept up to date
// by Record as events arrive.
type TaskState struct {
	Events EventRing
	State  string // pending, running or dead; the set is open
	Failed bool   // sticky: set by an event that fails the task

	Restarts    uint64   // how often it was restarted
	LastRestart UnixNano // when it was last restarted
	StartedAt   UnixNano // when it last became running
	FinishedAt  UnixNano // when it died; zero while it lives
}

// The documented states of a task. The set is open: others are kept.
const (
	TaskStatePending = "pending" // waiting to be run, for the first time or after a restart
	TaskStateRunning = "running"
	TaskStateDead    = "dead" // will not run again
)

// Record takes ev into the events, and keeps the rest up to date:
//
//   - The task moves to state, unless that is "". StartedAt moves when it becomes
//     running; FinishedAt is set when it becomes dead, and cleared when a dead
//     task lives again.
//   - Failed is set, for good, by an event that says so (FailsTask), or whose
//     documented meaning is that the task has failed: Failed Validation and Not
//     Restarting.
//   - Restarting adds to Restarts and sets LastRestart.
//
// All times are the event's, so that whoever records the same events comes to
// the same state.
func (ts *TaskState) Record(state string, ev TaskEvent) {
	ts.Events.Append(ev)
	if ev.FailsTask || ev.Type == TaskFailedValidation || ev.Type == TaskNotRestarting {
		ts.Failed = true
	}
	if ev.Type == TaskRestarting {
		ts.Restarts++
		ts.LastRestart = UnixNano(ev.Time)
	}
	if state == "" || state == ts.State {
		return
	}
	ts.State, ts.FinishedAt = state, 0
	switch state {
	case TaskStateRunning:
		ts.StartedAt = UnixNano(ev.Time)
	case TaskStateDead:
		ts.FinishedAt = UnixNano(ev.Time)
	}
}

// RecordTaskEvent returns what stored becomes when ev happens to a task, which
// moves to state unless that is "". A task that has no state yet starts as
// pending. See (*TaskState).Record.
func RecordTaskEvent(stored *Allocation, task, state string, ev TaskEvent, index uint64) *Allocation {
	ts := TaskState{State: TaskStatePending}
	if was := stored.TaskStates[task]; was != nil {
		ts = *was
	}
	ts.Record(state, ev)
	a := *stored
	a.ModifyIndex = index
	a.TaskStates = make(map[string]*TaskState, len(stored.TaskStates)+1)
	maps.Copy(a.TaskStates, stored.TaskStates)
	a.TaskStates[task] = &ts
	return &a
}
