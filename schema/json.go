package schema

import (
	"bytes"
	"encoding/json"
)

// DecodeJSON returns the allocation that data documents, in the JSON of the
// /v1/allocation endpoint. Null, absent and empty lists and maps are all nil;
// integers and durations may be written as floats that are integral, such as
// 1e+10; unknown keys are ignored. Anything else is a *JSONError that names the
// offset and the field. What is decoded is not validated, and keeps nothing of
// data.
func DecodeJSON(data []byte) (*Allocation, error) {
	a := new(Allocation)
	if err := a.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return a, nil
}

// UnmarshalJSON does what DecodeJSON does, and replaces all of a; only null leaves
// it as it is. Within a larger document the offset of an error counts from the
// start of the allocation, and a syntax error is encoding/json's own.
func (a *Allocation) UnmarshalJSON(data []byte) error {
	if !json.Valid(data) {
		return syntaxError(data)
	}
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	var in allocationJSON
	integral, shifts := integralNumbers(data)
	dec := json.NewDecoder(bytes.NewReader(integral))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return valueError(data, shifts, err)
	}
	out := in.allocation()
	if !out.normalize() {
		return valueError(data, shifts, ErrInvalid)
	}
	*a = out
	return nil
}

// unmarshal is json.Unmarshal of a part of an allocation by itself: integers may be
// written as floats there too.
func unmarshal(data []byte, v any) error {
	if json.Valid(data) {
		data, _ = integralNumbers(data)
	}
	return json.Unmarshal(data, v)
}

// allocationJSON is an Allocation whose every value but a time is decoded by
// encoding/json itself: it knows the offset of what does not fit only where no
// other UnmarshalJSON is in between.
type allocationJSON struct {
	plainAllocation
	TaskStates map[string]*taskStateIn // instead of the one within
}

type plainAllocation Allocation

func (in *allocationJSON) allocation() Allocation {
	a := Allocation(in.plainAllocation)
	a.TaskStates = make(map[string]*TaskState, len(in.TaskStates))
	for task, state := range in.TaskStates {
		a.TaskStates[task] = state.taskState()
	}
	return a
}

// normalize makes empty lists and maps nil, and free-form values canonical. It
// reports false if there is a free-form value that cannot be kept.
func (a *Allocation) normalize() bool {
	a.Resources.normalize()
	nilIfEmpty(&a.TaskResources)
	for _, r := range a.TaskResources {
		r.normalize()
	}
	nilIfEmpty(&a.TaskStates)
	if m := a.Metrics; m != nil {
		for _, counts := range []*map[string]int{&m.ClassFiltered, &m.ConstraintFiltered, &m.ClassExhausted, &m.DimensionExhausted} {
			nilIfEmpty(counts)
		}
		nilIfEmpty(&m.Scores)
	}
	return a.Job == nil || a.Job.normalize()
}

func (j *Job) normalize() bool {
	nilIfEmpty(&j.Meta)
	nilIfNone(&j.TaskGroups)
	nilIfNone(&j.Datacenters)
	nilIfNone(&j.Constraints)
	for g := range j.TaskGroups {
		group := &j.TaskGroups[g]
		nilIfEmpty(&group.Meta)
		nilIfNone(&group.Tasks)
		nilIfNone(&group.Constraints)
		for t := range group.Tasks {
			if !group.Tasks[t].normalize() {
				return false
			}
		}
	}
	return true
}

func (t *Task) normalize() bool {
	nilIfEmpty(&t.Meta)
	nilIfEmpty(&t.Env)
	nilIfEmpty(&t.Config)
	nilIfNone(&t.Constraints)
	nilIfNone(&t.Services)
	for i := range t.Services {
		nilIfNone(&t.Services[i].Checks)
		nilIfNone(&t.Services[i].Tags)
	}
	t.Resources.normalize()
	for key, v := range t.Config {
		if _, what := faultOf(v, 1); what != "" {
			return false
		}
		t.Config[key] = deepCanonical(v)
	}
	return true
}

func (r *Resources) normalize() {
	if r == nil {
		return
	}
	nilIfNone(&r.Networks)
	for i := range r.Networks {
		nilIfNone(&r.Networks[i].DynamicPorts)
		nilIfNone(&r.Networks[i].ReservedPorts)
	}
}

// deepCanonical makes a free-form value that faultOf finds nothing wrong with
// canonical all the way down. Lists and maps are changed in place.
func deepCanonical(v any) any {
	c, _ := canonical(v)
	switch c := c.(type) {
	case []any:
		for i := range c {
			c[i] = deepCanonical(c[i])
		}
	case map[string]any:
		for key := range c {
			c[key] = deepCanonical(c[key])
		}
	}
	return c
}

func nilIfEmpty[V any](m *map[string]V) {
	if len(*m) == 0 {
		*m = nil
	}
}

func nilIfNone[T any](list *[]T) {
	if len(*list) == 0 {
		*list = nil
	}
}

// taskStateJSON is a TaskState as JSON has it: the documented keys, then the rest
// where it is set. Events is an EventRing, or on input a list of events.
type taskStateJSON[Events any] struct {
	Events        Events
	State         string
	Failed        bool
	Restarts      uint64   `json:",omitempty"`
	LastRestart   UnixNano `json:",omitempty"`
	StartedAt     UnixNano `json:",omitempty"`
	FinishedAt    UnixNano `json:",omitempty"`
	EventsDropped uint64   `json:",omitempty"`
}

// stateJSON returns the state as JSON has it, with events in the place of its own.
func stateJSON[Events any](ts *TaskState, events Events) taskStateJSON[Events] {
	return taskStateJSON[Events]{
		events, ts.State, ts.Failed, ts.Restarts, ts.LastRestart, ts.StartedAt, ts.FinishedAt, ts.Events.dropped,
	}
}

type taskStateIn taskStateJSON[[]TaskEvent]

// taskState returns the state, with the last of the events. Nil stays nil.
func (in *taskStateIn) taskState() *TaskState {
	if in == nil {
		return nil
	}
	events := ringOf(in.Events)
	events.dropped += in.EventsDropped
	return &TaskState{events, in.State, in.Failed, in.Restarts, in.LastRestart, in.StartedAt, in.FinishedAt}
}

// MarshalJSON returns the documented JSON of a task's state.
func (ts TaskState) MarshalJSON() ([]byte, error) {
	return json.Marshal(stateJSON(&ts, ts.Events))
}

// UnmarshalJSON takes the documented JSON of a task's state, and what DecodeJSON takes for
// an integer. Of more than MaxTaskEvents events the last are kept.
func (ts *TaskState) UnmarshalJSON(data []byte) error {
	var in taskStateIn
	if err := unmarshal(data, &in); err != nil {
		return err
	}
	*ts = *in.taskState()
	return nil
}
