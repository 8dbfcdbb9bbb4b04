package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// DecodeJSON returns the allocation in data, in the JSON of the /v1/allocation endpoint. Null,
// absent and empty lists and maps are all nil. Integers and durations may be written as
// integral floats, such as 1e+10. Unknown keys are ignored. An error is a *JSONError. The
// result is not validated, and shares no memory with data.
func DecodeJSON(data []byte) (*Allocation, error) {
	a := new(Allocation)
	if err := a.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return a, nil
}

// UnmarshalJSON decodes as DecodeJSON does, and replaces all of a; null leaves a as it is.
// Within a larger document the offset of an error counts from the start of the allocation,
// and a syntax error is encoding/json's own.
func (a *Allocation) UnmarshalJSON(data []byte) error {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &syntax) {
		return &JSONError{Offset: syntax.Offset, Err: err}
	}
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	var in allocationJSON
	integral, shifts := integralNumbers(data)
	dec := json.NewDecoder(bytes.NewReader(integral))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return typeError(shifts, err)
	}
	out, err := in.allocation()
	if err != nil {
		return err
	}
	var f faults
	if out.Job.validate(&f); len(f) > 0 {
		return &JSONError{Field: f[0].path, Err: f[0].err}
	}
	// The codec gives nil for empty, and makes free-form values canonical.
	own, err := decodeAllocation(string(appendAllocation(nil, &out)))
	if err != nil {
		return err
	}
	*a = *own
	return nil
}

// unmarshal is json.Unmarshal for a part of an allocation by itself, in which integers may be
// written as floats too.
func unmarshal(data []byte, v any) error {
	if json.Valid(data) {
		data, _ = integralNumbers(data)
	}
	return json.Unmarshal(data, v)
}

// allocationJSON is an Allocation without methods of its own. Its values but the times are
// decoded by encoding/json alone, which then knows the offset and the field of a wrong one.
type allocationJSON struct {
	plainAllocation
	TaskStates map[string]*taskStateIn // instead of the embedded one
}

type plainAllocation Allocation

func (in *allocationJSON) allocation() (Allocation, error) {
	a := Allocation(in.plainAllocation)
	a.TaskStates = make(map[string]*TaskState, len(in.TaskStates))
	for task, state := range in.TaskStates {
		ts, field, err := state.taskState()
		if err != nil {
			return a, &JSONError{Field: fmt.Sprintf("TaskStates[%q].%s", task, field), Err: err}
		}
		a.TaskStates[task] = ts
	}
	return a, nil
}

// taskStateJSON is a TaskState in JSON: the documented keys, then the others if they are set.
type taskStateJSON[Events, Time any] struct {
	Events        Events
	State         string
	Failed        bool
	Restarts      uint64 `json:",omitempty"`
	LastRestart   Time   `json:",omitempty"`
	StartedAt     Time   `json:",omitempty"`
	FinishedAt    Time   `json:",omitempty"`
	EventsDropped uint64 `json:",omitempty"`
}

// stateJSON returns the state in JSON's form, with events in the place of its own.
func stateJSON[Events any](ts *TaskState, events Events) taskStateJSON[Events, UnixNano] {
	return taskStateJSON[Events, UnixNano]{
		events, ts.State, ts.Failed, ts.Restarts, ts.LastRestart, ts.StartedAt, ts.FinishedAt, ts.Events.dropped,
	}
}

// taskStateIn is a TaskState on input. Its times are decoded afterwards, so that an error can
// name the field.
type taskStateIn taskStateJSON[[]TaskEvent, json.RawMessage]

// taskState returns the state, with the last of the events; nil for nil. An error is of the
// time in field.
func (in *taskStateIn) taskState() (ts *TaskState, field string, err error) {
	if in == nil {
		return nil, "", nil
	}
	events := ringOf(in.Events)
	events.dropped += in.EventsDropped
	ts = &TaskState{Events: events, State: in.State, Failed: in.Failed, Restarts: in.Restarts}
	for _, t := range []struct {
		field string
		in    json.RawMessage
		out   *UnixNano
	}{
		{"LastRestart", in.LastRestart, &ts.LastRestart},
		{"StartedAt", in.StartedAt, &ts.StartedAt},
		{"FinishedAt", in.FinishedAt, &ts.FinishedAt},
	} {
		if t.in == nil {
			continue
		}
		if err := t.out.UnmarshalJSON(t.in); err != nil {
			return nil, t.field, err
		}
	}
	return ts, "", nil
}

// MarshalJSON returns the documented JSON of a task's state.
func (ts TaskState) MarshalJSON() ([]byte, error) {
	return json.Marshal(stateJSON(&ts, ts.Events))
}

// UnmarshalJSON reads the documented JSON of a task's state, with integers as DecodeJSON
// reads them. Of more than MaxTaskEvents events it keeps the last.
func (ts *TaskState) UnmarshalJSON(data []byte) error {
	var in taskStateIn
	if err := unmarshal(data, &in); err != nil {
		return err
	}
	state, field, err := in.taskState()
	if err != nil {
		return &JSONError{Field: field, Err: err}
	}
	*ts = *state
	return nil
}
