package fleet

import (
	"bytes"
	"fmt"
	"slices"

	"allocstore/schema"
)

// Truth is the expected state of one allocation: the index of its insert, the index
// of its last change, and the number of events that its client has reported.
type Truth struct {
	Created, Modified uint64
	Events            int
}

// Check compares every field of the stored allocation i, and every event of its ring, with the truth.
func (f *Fleet) Check(i int, got *schema.Allocation, t Truth) error {
	if want := f.ID(i); got == nil || got.ID != want {
		return fmt.Errorf("allocation %d, %s: got %+v", i, want, got)
	}
	want := f.Alloc(i)
	want.CreateIndex, want.AllocModifyIndex, want.ModifyIndex = t.Created, t.Created, t.Modified
	if t.Events > 0 {
		ts := recent(i, t.Events)
		if err := f.checkTask(i, got, ts, t.Events); err != nil {
			return err
		}
		want.ClientStatus, want.TaskStates = clientStatus(ts), got.TaskStates
	}
	var codec schema.Codec
	if !bytes.Equal(codec.AppendAllocation(nil, got), codec.AppendAllocation(nil, want)) {
		return fmt.Errorf("%s: stored\n%+v, want\n%+v", got.ID, got, want)
	}
	return nil
}

// checkTask compares the task's state with want. The restarts and dropped events of
// want are only those of the latest events, so both are compared separately.
func (f *Fleet) checkTask(i int, got *schema.Allocation, want *schema.TaskState, events int) error {
	ts := got.TaskStates[f.task]
	if ts == nil || len(got.TaskStates) != 1 {
		return fmt.Errorf("%s: tasks %+v, want one, %q", got.ID, got.TaskStates, f.task)
	}
	if kept(ts.Events) != kept(want.Events) {
		return fmt.Errorf("%s: events\n%+v, want\n%+v", got.ID, slices.Collect(ts.Events.All()), slices.Collect(want.Events.All()))
	}
	if n := Reported(ts); n != events {
		return fmt.Errorf("%s: the ring is of %d events, want %d", got.ID, n, events)
	}
	want.Restarts = restarts(events)
	if len(ts.Extra) != 0 || ts.State != want.State || ts.Failed != want.Failed || ts.Restarts != want.Restarts ||
		ts.LastRestart != want.LastRestart || ts.StartedAt != want.StartedAt || ts.FinishedAt != want.FinishedAt {
		return fmt.Errorf("%s: task %+v, want %+v", got.ID, *ts, *want)
	}
	return nil
}

// kept returns a ring with the same events and no dropped ones. Two such rings are equal if their events are.
func kept(r schema.EventRing) (same schema.EventRing) {
	for ev := range r.All() {
		same.Append(ev)
	}
	return same
}

// recent returns State without the events before the last two lives. Its Restarts
// and its dropped events lack them too.
func recent(i, n int) *schema.TaskState {
	ts := new(schema.TaskState)
	for k := max(0, n-2*len(life)); k < n; k++ {
		Record(ts, i, k)
	}
	return ts
}

// restarts counts the restarts among the first n events.
func restarts(n int) uint64 {
	count := 0
	for k, of := range life {
		if of.event.Type == schema.TaskRestarting {
			count += (n - k + len(life) - 1) / len(life)
		}
	}
	return uint64(count)
}

// Reported returns the number of events that a task's ring has received, dropped ones included.
func Reported(ts *schema.TaskState) int { return ts.Events.Len() + int(ts.Events.Dropped()) }

// Last returns the number of events that the client of allocation i had reported
// when a was stored. It fails if the last event in the ring is not that one. It is
// quick where Check is thorough.
func (f *Fleet) Last(i int, a *schema.Allocation) (int, error) {
	if a == nil || a.ID != f.ID(i) {
		return 0, fmt.Errorf("allocation %d, %s: got %+v", i, f.ID(i), a)
	}
	ts := a.TaskStates[f.task]
	if ts == nil {
		return 0, nil
	}
	n, last := Reported(ts), schema.TaskEvent{}
	for last = range ts.Events.All() {
	}
	if want := Event(i, n-1); n == 0 || last.Type != want.Type || last.Time != want.Time {
		return 0, fmt.Errorf("%s: the last of %d events is %+v, want %+v", a.ID, n, last, want)
	}
	return n, nil
}
