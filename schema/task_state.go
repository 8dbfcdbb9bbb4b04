package schema

import (
	"encoding/json"
	"maps"
)

// TaskState is the state of one task, as its client reports it, with its latest events. Record
// updates the other fields with each event, so they cover events that the ring has dropped.
type TaskState struct {
	Events EventRing
	State  string // pending, running or dead; the set is open
	Failed bool   // sticky: set by an event that fails the task

	Restarts    uint64   // how often it was restarted
	LastRestart UnixNano // when it was last restarted
	StartedAt   UnixNano // when it last became running
	FinishedAt  UnixNano // when it died; zero while it lives

	Extra map[string]json.RawMessage
}

// The documented states of a task. The set is open: others are kept.
const (
	TaskStatePending = "pending" // waiting to be run, for the first time or after a restart
	TaskStateRunning = "running"
	TaskStateDead    = "dead" // will not run again
)

// Record appends ev to the events, and updates the other fields:
//
//   - The task moves to state, unless state is "". StartedAt is set when it becomes running.
//     FinishedAt is set when it becomes dead, and cleared when a dead task runs again.
//   - Failed is set for good by an event with FailsTask, or of a type that means failure: Failed
//     Validation and Not Restarting.
//   - Restarting increments Restarts and sets LastRestart.
//
// An event that the ring has already, equal in every field, changes nothing, and state is not
// looked at. So an event may be sent again as long as the ring holds it. An event without a
// Time is always a new one.
//
// All times are those of the event, so equal events lead to equal states on every replica.
func (ts *TaskState) Record(state string, ev TaskEvent) { ts.record(state, &ev) }

// record is Record. It reports whether the event was new.
func (ts *TaskState) record(state string, ev *TaskEvent) bool {
	if !ts.Events.add(ev, true) {
		return false
	}
	if ev.FailsTask || ev.Type == TaskFailedValidation || ev.Type == TaskNotRestarting {
		ts.Failed = true
	}
	if ev.Type == TaskRestarting {
		ts.Restarts++
		ts.LastRestart = UnixNano(ev.Time)
	}
	if state == "" || state == ts.State {
		return true
	}
	ts.State, ts.FinishedAt = state, 0
	switch state {
	case TaskStateRunning:
		ts.StartedAt = UnixNano(ev.Time)
	case TaskStateDead:
		ts.FinishedAt = UnixNano(ev.Time)
	}
	return true
}

// RecordTaskEvent returns stored with ev recorded for a task, see [TaskState.Record]. A task
// without a state starts as pending. The result shares with stored all that does not change. It
// is stored itself if the task has the event already.
func RecordTaskEvent(stored *Allocation, task, state string, ev TaskEvent, index uint64) *Allocation {
	ts := TaskState{State: TaskStatePending}
	if was := stored.TaskStates[task]; was != nil {
		ts = *was
	}
	if !ts.record(state, &ev) {
		return stored
	}
	a := *stored
	a.ModifyIndex = index
	a.TaskStates = make(map[string]*TaskState, len(stored.TaskStates)+1)
	maps.Copy(a.TaskStates, stored.TaskStates)
	a.TaskStates[task] = &ts
	return &a
}
