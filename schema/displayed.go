package schema

import "encoding/json"

// Displayed is an allocation whose JSON has the key DisplayMessage in every task event, with
// the result of the event's method of that name. The allocation itself is not changed or
// copied. Reading the JSON ignores the key.
type Displayed struct{ *Allocation }

// displayedJSON is an Allocation with the events of its tasks replaced.
type displayedJSON struct {
	*plainAllocation
	TaskStates map[string]*displayedState // instead of the embedded one
}

type displayedState = taskStateJSON[[]displayedEvent, UnixNano]

type displayedEvent struct {
	TaskEvent
	DisplayMessage string
}

// MarshalJSON returns the documented JSON of the allocation, with messages; null for a nil
// allocation.
func (d Displayed) MarshalJSON() ([]byte, error) {
	if d.Allocation == nil {
		return []byte("null"), nil
	}
	out := displayedJSON{plainAllocation: (*plainAllocation)(d.Allocation)}
	if d.Allocation.TaskStates != nil {
		out.TaskStates = make(map[string]*displayedState, len(d.Allocation.TaskStates))
	}
	for task, ts := range d.Allocation.TaskStates {
		out.TaskStates[task] = displayed(ts)
	}
	return json.Marshal(out)
}

// displayed returns the state with messages; nil for nil.
func displayed(ts *TaskState) *displayedState {
	if ts == nil {
		return nil
	}
	var events []displayedEvent
	for ev := range ts.Events.All() {
		events = append(events, displayedEvent{ev, ev.DisplayMessage()})
	}
	state := stateJSON(ts, events)
	return &state
}
