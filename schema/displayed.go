package schema

import "encoding/json"

// Displayed is an allocation whose JSON has the key DisplayMessage in every task
// event: what the event's method of that name returns. It is not part of the
// allocation, which is neither changed nor copied, and reading the JSON drops it.
type Displayed struct{ *Allocation }

// displayedJSON is an Allocation with the events of its tasks replaced.
type displayedJSON struct {
	*plainAllocation
	TaskStates map[string]*taskStateJSON[[]displayedEvent] // instead of the one within
}

type displayedEvent struct {
	TaskEvent
	DisplayMessage string
}

// MarshalJSON returns the documented JSON of the allocation, with messages; null for
// none.
func (d Displayed) MarshalJSON() ([]byte, error) {
	if d.Allocation == nil {
		return []byte("null"), nil
	}
	out := displayedJSON{plainAllocation: (*plainAllocation)(d.Allocation)}
	if d.Allocation.TaskStates != nil {
		out.TaskStates = make(map[string]*taskStateJSON[[]displayedEvent], len(d.Allocation.TaskStates))
	}
	for task, ts := range d.Allocation.TaskStates {
		if ts == nil {
			out.TaskStates[task] = nil
			continue
		}
		var events []displayedEvent
		for ev := range ts.Events.All() {
			events = append(events, displayedEvent{ev, ev.DisplayMessage()})
		}
		out.TaskStates[task] = &taskStateJSON[[]displayedEvent]{
			events, ts.State, ts.Failed, ts.Restarts, ts.LastRestart, ts.StartedAt, ts.FinishedAt, ts.Events.dropped,
		}
	}
	return json.Marshal(out)
}
