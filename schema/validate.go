package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxFaults bounds the reported faults of one allocation.
const maxFaults = 20

// A fault is an ErrInvalid or an ErrInvalidID of the value at a path.
type fault struct {
	path string
	err  error
}

// faults are the faults of an allocation. A valid allocation costs no memory.
type faults []fault

// invalid reports an ErrInvalid of the value at path.
func (f *faults) invalid(path, format string, args ...any) {
	f.report(path, fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...)))
}

func (f *faults) report(path string, err error) {
	if len(*f) < maxFaults {
		*f = append(*f, fault{path, err})
	}
}

// join returns the faults as one error. They were found in the order of maps, so it sorts
// them by their text.
func (f faults) join() error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = fmt.Errorf("%s: %w", f[i].path, f[i].err)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// Validate reports the faults for which the store refuses the scheduler's write of a. It
// reports up to 20 at once, each with its path:
//
//   - an ID, PreviousAllocation or NextAllocation that is malformed (ErrInvalidID)
//   - a PreviousAllocation or NextAllocation that is a itself
//   - nil entries or empty task names in maps
//   - a score that is NaN or infinite
//   - a Config value of a type that cannot be stored, or too deep
//
// All but the first are ErrInvalid. Nothing in a is changed.
func (a *Allocation) Validate() error {
	if a == nil {
		return errNilAllocation
	}
	var f faults
	a.validateID(&f)
	a.related(&f, "PreviousAllocation", a.PreviousAllocation)
	a.related(&f, "NextAllocation", a.NextAllocation)
	validateTasks(&f, "TaskResources", a.TaskResources)
	validateTasks(&f, "TaskStates", a.TaskStates)
	a.Metrics.validate(&f)
	a.Job.validate(&f)
	return f.join()
}

// ValidateClient reports the faults for which the store refuses the client's write of a: those
// of the ID and of the client's fields.
func (a *Allocation) ValidateClient() error {
	if a == nil {
		return errNilAllocation
	}
	var f faults
	a.validateID(&f)
	validateTasks(&f, "TaskStates", a.TaskStates)
	return f.join()
}

var errNilAllocation = fmt.Errorf("%w: nil allocation", ErrInvalid)

func (a *Allocation) validateID(f *faults) {
	if _, err := ParseID(a.ID); err != nil {
		f.report("ID", err)
	}
}

// related checks an ID that must be of another allocation than a.
func (a *Allocation) related(f *faults, path, text string) {
	if text == "" {
		return
	}
	other, err := ParseID(text)
	if err != nil {
		f.report(path, err)
		return
	}
	if own, err := ParseID(a.ID); err == nil && own == other {
		f.invalid(path, "the allocation itself")
	}
}

// validateTasks checks the entries of a map by task name.
func validateTasks[T any](f *faults, path string, tasks map[string]*T) {
	for name, of := range tasks {
		if of == nil {
			f.invalid(fmt.Sprintf("%s[%q]", path, name), "nil")
		}
		if name == "" {
			f.invalid(path, "empty task name")
		}
	}
}

func (m *AllocMetric) validate(f *faults) {
	if m == nil {
		return
	}
	for name, score := range m.Scores {
		if !isFinite(score) {
			f.invalid(fmt.Sprintf("Metrics.Scores[%q]", name), "%v is no number", score)
		}
	}
}

// validate checks the Config of each task.
func (j *Job) validate(f *faults) {
	if j == nil {
		return
	}
	for g := range j.TaskGroups {
		for t := range j.TaskGroups[g].Tasks {
			j.TaskGroups[g].Tasks[t].validate(f, g, t)
		}
	}
}

// validate checks the task at index i of group g. It formats a path only for a fault.
func (t *Task) validate(f *faults, g, i int) {
	for key, v := range t.Config {
		if inside, what := faultOf(v, 1); what != "" {
			f.invalid(fmt.Sprintf("Job.TaskGroups[%d].Tasks[%d].Config[%q]%s", g, i, key, inside), "%s", what)
		}
	}
}

// faultOf returns the first fault inside a free-form value, and the path to it; "" if the value
// is valid. The list or map around the value is depth levels deep.
func faultOf(v any, depth int) (path, what string) {
	if depth == maxDepth && isCollection(v) {
		return "", errTooDeep.Error()
	}
	switch v := v.(type) {
	case nil, bool, string, time.Duration, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64,
		[]string, []int, map[string]string:
	case float32:
		return faultOf(float64(v), depth)
	case float64:
		if !isFinite(v) {
			return "", fmt.Sprintf("%v is no number", v)
		}
	case json.Number:
		if _, ok := numberOf(string(v)); !ok {
			return "", fmt.Sprintf("%q is no number of a float64's range", abbreviated(string(v)))
		}
	case []any:
		return faultInList(v, depth)
	case []map[string]any:
		return faultInList(v, depth)
	case []map[string]string:
		return faultInList(v, depth)
	case map[string]any:
		return faultInMap(v, depth)
	default:
		return "", fmt.Sprintf("a value of type %T cannot be stored", v)
	}
	return "", ""
}

func isCollection(v any) bool {
	switch v.(type) {
	case []any, []string, []int, []map[string]any, []map[string]string, map[string]any, map[string]string:
		return true
	}
	return false
}

func faultInList[T any](list []T, depth int) (path, what string) {
	for i, element := range list {
		if path, what := faultOf(element, depth+1); what != "" {
			return fmt.Sprintf("[%d]%s", i, path), what
		}
	}
	return "", ""
}

func faultInMap(m map[string]any, depth int) (path, what string) {
	for key, element := range m {
		if path, what := faultOf(element, depth+1); what != "" {
			return fmt.Sprintf("[%q]%s", key, path), what
		}
	}
	return "", ""
}
