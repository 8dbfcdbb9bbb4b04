package schema

import (
	"errors"
	"fmt"
)

// maxFaults is how many faults are reported of one allocation.
const maxFaults = 20

// faults collects what is wrong with an allocation. Nothing is allocated as long
// as nothing is.
type faults []error

// add notes a fault of the value at path, which is an ErrInvalid.
func (f *faults) add(path, format string, args ...any) {
	f.wrap(ErrInvalid, path, fmt.Sprintf(format, args...))
}

func (f *faults) wrap(kind error, path, what string) {
	if len(*f) < maxFaults {
		*f = append(*f, fmt.Errorf("%w: %s: %s", kind, path, what))
	}
}

// Validate reports everything that keeps the scheduler's write of a from being
// stored, up to 20 faults at once, each with its path: an ID that is none
// (ErrInvalidID); a PreviousAllocation or NextAllocation that is none, or a's
// own; nil entries in maps; a task without a name; a score that is no number; a
// Config value of a type that cannot be stored, or too deep. Other faults are
// ErrInvalid.
func (a *Allocation) Validate() error {
	var f faults
	if !a.validateID(&f) {
		return errors.Join(f...)
	}
	f.related("PreviousAllocation", a.PreviousAllocation, a.ID)
	f.related("NextAllocation", a.NextAllocation, a.ID)
	for task, r := range a.TaskResources {
		if r == nil {
			f.add(fmt.Sprintf("TaskResources[%q]", task), "nil")
		}
	}
	a.validateTaskStates(&f)
	if a.Metrics != nil {
		for name, score := range a.Metrics.Scores {
			if !isFinite(score) {
				f.add(fmt.Sprintf("Metrics.Scores[%q]", name), "%v is no number", score)
			}
		}
	}
	a.Job.validate(&f)
	return errors.Join(f...)
}

// ValidateClient reports everything that keeps the client's write of a from
// being stored. Only the ID and what the client owns is looked at.
func (a *Allocation) ValidateClient() error {
	var f faults
	if a.validateID(&f) {
		a.validateTaskStates(&f)
	}
	return errors.Join(f...)
}

// validateID reports whether there is an allocation with an ID.
func (a *Allocation) validateID(f *faults) bool {
	if a == nil {
		*f = append(*f, fmt.Errorf("%w: nil allocation", ErrInvalid))
		return false
	}
	if _, err := ParseID(a.ID); err != nil {
		*f = append(*f, fmt.Errorf("ID: %w", err))
		return false
	}
	return true
}

// related checks the ID of another allocation.
func (f *faults) related(path, id, own string) {
	if id == "" {
		return
	}
	other, err := ParseID(id)
	if err != nil {
		*f = append(*f, fmt.Errorf("%s: %w", path, err))
		return
	}
	if self, _ := ParseID(own); other == self {
		f.add(path, "the allocation itself")
	}
}

func (a *Allocation) validateTaskStates(f *faults) {
	for task, ts := range a.TaskStates {
		if ts == nil {
			f.add(fmt.Sprintf("TaskStates[%q]", task), "nil")
		}
		if task == "" {
			f.add("TaskStates", "empty task name")
		}
	}
}

// validate checks the one free part of a job: its tasks' settings.
func (j *Job) validate(f *faults) {
	if j == nil {
		return
	}
	for g := range j.TaskGroups {
		for t := range j.TaskGroups[g].Tasks {
			for key, v := range j.TaskGroups[g].Tasks[t].Config {
				if what := faultOf(v, 1); what != "" {
					f.add(fmt.Sprintf("Job.TaskGroups[%d].Tasks[%d].Config[%q]", g, t, key), "%s", what)
				}
			}
		}
	}
}

// faultOf returns what is wrong with a free-form value, the map or list around
// it being depth levels deep, or "".
func faultOf(v any, depth int) string {
	c, ok := canonical(v)
	if !ok {
		return fmt.Sprintf("a %T cannot be stored here", v)
	}
	switch c := c.(type) {
	case []any:
		if depth == maxDepth {
			return fmt.Sprintf("nested deeper than %d levels", maxDepth)
		}
		for i, element := range c {
			if what := faultOf(element, depth+1); what != "" {
				return fmt.Sprintf("[%d]: %s", i, what)
			}
		}
	case map[string]any:
		if depth == maxDepth {
			return fmt.Sprintf("nested deeper than %d levels", maxDepth)
		}
		for key, element := range c {
			if what := faultOf(element, depth+1); what != "" {
				return fmt.Sprintf("[%q]: %s", key, what)
			}
		}
	}
	return ""
}
