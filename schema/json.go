package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// JSONError says where in a JSON text something is wrong. It is an ErrMalformed.
type JSONError struct {
	Offset int64  // bytes of the text that had been read
	Field  string // the path of the field, if it is one field's value that is wrong
	Err    error
}

// Error names the offset and the field.
func (e *JSONError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%v JSON at offset %d: %v", ErrMalformed, e.Offset, e.Err)
	}
	return fmt.Sprintf("%v JSON at offset %d: %s: %v", ErrMalformed, e.Offset, e.Field, e.Err)
}

// Is reports that the error is an ErrMalformed.
func (e *JSONError) Is(target error) bool { return target == ErrMalformed }

// Unwrap returns what is wrong.
func (e *JSONError) Unwrap() error { return e.Err }

// DecodeJSON returns the allocation that data documents, in the JSON of the
// /v1/allocation endpoint. Null, absent and empty lists and maps are all nil;
// integers and durations may be written as floats that are integral, such as
// 1e+10; unknown keys are ignored. Anything else is a *JSONError that names the
// offset. What is decoded is not validated.
func DecodeJSON(data []byte) (*Allocation, error) {
	a := new(Allocation)
	return a, a.UnmarshalJSON(data)
}

// UnmarshalJSON does what DecodeJSON does. Within a larger document the offset of
// an error counts from the start of the allocation.
func (a *Allocation) UnmarshalJSON(data []byte) error {
	var text json.RawMessage
	if err := json.Unmarshal(data, &text); err != nil {
		return jsonError(err, int64(len(data)), nil)
	}
	type plain Allocation // without this method
	var in plain
	integral, shifts := integralNumbers(data)
	dec := json.NewDecoder(bytes.NewReader(integral))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return jsonError(err, dec.InputOffset(), shifts)
	}
	out := Allocation(in)
	if err := out.normalize(); err != nil {
		return &JSONError{Offset: int64(len(data)), Err: err}
	}
	*a = out
	return nil
}

// jsonError puts an error of encoding/json into terms of the original text. It
// is at offset end if it does not say where it is.
func jsonError(err error, end int64, shifts []shift) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return &JSONError{Offset: original(shifts, syntax.Offset), Err: err}
	case errors.As(err, &mismatch):
		return &JSONError{Offset: original(shifts, mismatch.Offset), Field: mismatch.Field, Err: err}
	}
	return &JSONError{Offset: original(shifts, end), Err: err}
}

// normalize makes empty lists and maps nil, and free-form values canonical.
func (a *Allocation) normalize() error {
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
	if a.Job == nil {
		return nil
	}
	return a.Job.normalize()
}

func (j *Job) normalize() error {
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
			if err := group.Tasks[t].normalize(); err != nil {
				return fmt.Errorf("field Job.TaskGroups[%d].Tasks[%d].%w", g, t, err)
			}
		}
	}
	return nil
}

func (t *Task) normalize() error {
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
		if what := faultOf(v, 1); what != "" {
			return fmt.Errorf("the Config[%q]: %s", key, what)
		}
		t.Config[key] = deepCanonical(v)
	}
	return nil
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
// where it is set.
type taskStateJSON struct {
	Events        EventRing
	State         string
	Failed        bool
	Restarts      uint64   `json:",omitempty"`
	LastRestart   UnixNano `json:",omitempty"`
	StartedAt     UnixNano `json:",omitempty"`
	FinishedAt    UnixNano `json:",omitempty"`
	EventsDropped uint64   `json:",omitempty"`
}

// MarshalJSON returns the documented JSON of a task's state.
func (ts *TaskState) MarshalJSON() ([]byte, error) {
	return json.Marshal(taskStateJSON{ts.Events, ts.State, ts.Failed, ts.Restarts, ts.LastRestart, ts.StartedAt, ts.FinishedAt, ts.Events.dropped})
}

// UnmarshalJSON takes the documented JSON of a task's state. Of more than
// MaxTaskEvents events the last are kept.
func (ts *TaskState) UnmarshalJSON(data []byte) error {
	var in taskStateJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	in.Events.dropped += in.EventsDropped
	*ts = TaskState{in.Events, in.State, in.Failed, in.Restarts, in.LastRestart, in.StartedAt, in.FinishedAt}
	return nil
}
