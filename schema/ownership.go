package schema

import "maps"

// The scheduler owns everything but ClientStatus, ClientDescription and
// TaskStates, which the client owns. The functions below are all the ways in
// which a stored allocation becomes another one, deletion aside, for whoever has
// whole allocations; the store has the same rules on encoded parts. They are pure:
// they change neither of their inputs, and what they return shares with them
// whatever it takes over as it is.

// Inserted returns what upd is as a new allocation: all of it, with the three
// indexes at index.
func Inserted(upd *Allocation, index uint64) *Allocation {
	a := *upd
	a.CreateIndex, a.ModifyIndex, a.AllocModifyIndex = index, index, index
	return &a
}

// SchedulerUpdate returns what stored becomes by the scheduler's write of upd. It
// keeps its ID, its CreateIndex and what the client owns, but takes a ClientStatus
// that [SchedulerMayReport]. A nil Job keeps the stored one. ModifyIndex and
// AllocModifyIndex become index.
func SchedulerUpdate(stored, upd *Allocation, index uint64) *Allocation {
	a := *upd
	a.ID, a.CreateIndex = stored.ID, stored.CreateIndex
	a.ModifyIndex, a.AllocModifyIndex = index, index
	a.ClientStatus, a.ClientDescription, a.TaskStates = stored.ClientStatus, stored.ClientDescription, stored.TaskStates
	if SchedulerMayReport(upd.ClientStatus) {
		a.ClientStatus = upd.ClientStatus
	}
	if a.Job == nil {
		a.Job = stored.Job
	}
	return &a
}

// SchedulerMayReport reports whether the scheduler may set that ClientStatus:
// lost and unknown are what it finds out without the client.
func SchedulerMayReport(clientStatus string) bool {
	return clientStatus == ClientStatusLost || clientStatus == ClientStatusUnknown
}

// ClientUpdate returns what stored becomes by the client's write of upd: what
// the client owns is replaced, and ModifyIndex becomes index. AllocModifyIndex
// stays, by which a client tells its own echo from news.
func ClientUpdate(stored, upd *Allocation, index uint64) *Allocation {
	a := *stored
	a.ClientStatus, a.ClientDescription, a.TaskStates = upd.ClientStatus, upd.ClientDescription, upd.TaskStates
	a.ModifyIndex = index
	return &a
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

// Superseded returns what stored becomes when next is placed in its stead:
// NextAllocation is set, and ModifyIndex becomes index.
func Superseded(stored *Allocation, next string, index uint64) *Allocation {
	a := *stored
	a.NextAllocation, a.ModifyIndex = next, index
	return &a
}
