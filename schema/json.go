package schema

import "bytes"

// DecodeJSON returns the allocation in data, in the JSON of the /v1/allocation endpoint. Null,
// absent and empty lists and maps are all nil. Integers and durations may be written as
// integral floats, such as 1e+10. Keys that are not documented are kept in Extra and
// ClientExtra, and those inside in the Extra of their struct. An error is a *JSONError. The
// result is not validated, and shares no memory with data.
func DecodeJSON(data []byte) (*Allocation, error) {
	a := new(Allocation)
	if err := a.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return a, nil
}

// Displayed is an allocation whose JSON has the key DisplayMessage in every task event, with
// the result of the event's method of that name. The allocation itself is not changed or
// copied. Reading the JSON drops the key again.
type Displayed struct{ *Allocation }

// MarshalJSON returns the documented JSON of the allocation, with messages; null for a nil
// allocation.
func (d Displayed) MarshalJSON() ([]byte, error) {
	w := jsonWriter{messages: true}
	writePointer(&w, d.Allocation)
	return w.buf, w.err
}

// displayMessage is the key of an event's DisplayMessage.
const displayMessage = "DisplayMessage"

// unmarshalJSON sets v to the struct in data, which replaces all of it. Null leaves v as it is. An
// error is a *JSONError, and changes nothing.
func unmarshalJSON[T any, P pointerTo[T]](v P, data []byte) error {
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	var in T
	if err := readJSON(data, func(r *jsonReader) { r.object(P(&in)) }); err != nil {
		return err
	}
	*v = in
	return nil
}

// The methods below give each type, also by itself or inside another program's types, the JSON
// that it has in an allocation: see package documentation. Within a larger document the offset of
// an error counts from the start of the value, and a syntax error is encoding/json's own.

// MarshalJSON returns the documented JSON.
func (v Allocation) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Allocation) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v Job) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Job) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v UpdateStrategy) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *UpdateStrategy) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v TaskGroup) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *TaskGroup) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v RestartPolicy) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *RestartPolicy) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v Task) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Task) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v Service) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Service) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v ServiceCheck) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *ServiceCheck) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v Constraint) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Constraint) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v Resources) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Resources) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v NetworkResource) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *NetworkResource) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v Port) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *Port) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v AllocMetric) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *AllocMetric) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v TaskState) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *TaskState) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }

// MarshalJSON returns the documented JSON.
func (v TaskEvent) MarshalJSON() ([]byte, error) { return writeJSON(&v) }

// UnmarshalJSON replaces all of v. An error is a *[JSONError].
func (v *TaskEvent) UnmarshalJSON(data []byte) error { return unmarshalJSON(v, data) }
