package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// withConfig returns the documented allocation with one more value in its task's Config.
func withConfig(v any) *Allocation {
	a := documented()
	a.Job.TaskGroups[0].Tasks[0].Config["x"] = v
	return a
}

// nestedLists returns lists in one another, so many levels deep.
func nestedLists(levels int) any {
	var v any = "bottom"
	for range levels {
		v = []any{v}
	}
	return v
}

func TestValidateFaults(t *testing.T) {
	t.Parallel()
	const id, other, config = "203266e5-e0d6-9486-5e05-397ed2b184af", "e02b6169-83bd-9df6-69bd-832765f333eb", `Job.TaskGroups[0].Tasks[0].Config["x"]`
	cycle := map[string]any{}
	cycle["a"], cycle["b"] = cycle, cycle
	var typedNil *int
	for _, c := range []struct {
		fault string // "" for a valid allocation
		a     *Allocation
		kind  error
	}{
		{"", documented(), nil},
		{"", &Allocation{ID: strings.ToUpper(id)}, nil},
		{"", &Allocation{ID: id, PreviousAllocation: other, NextAllocation: other}, nil},
		{"nil allocation", nil, ErrInvalid},
		{"ID", &Allocation{}, ErrInvalidID},
		{"ID", &Allocation{ID: id + "0"}, ErrInvalidID},
		{"PreviousAllocation", &Allocation{ID: id, PreviousAllocation: "x"}, ErrInvalidID},
		{"NextAllocation", &Allocation{ID: id, NextAllocation: "x"}, ErrInvalidID},
		{"PreviousAllocation", &Allocation{ID: id, PreviousAllocation: strings.ToUpper(id)}, ErrInvalid},
		{"NextAllocation", &Allocation{ID: id, NextAllocation: id}, ErrInvalid},
		{`TaskStates["a"]`, &Allocation{ID: id, TaskStates: map[string]*TaskState{"a": nil}}, ErrInvalid},
		{"TaskStates: invalid: empty task name", &Allocation{ID: id, TaskStates: map[string]*TaskState{"": {}}}, ErrInvalid},
		{`TaskResources["a"]`, &Allocation{ID: id, TaskResources: map[string]*Resources{"a": nil}}, ErrInvalid},
		{"TaskResources: invalid: empty task name", &Allocation{ID: id, TaskResources: map[string]*Resources{"": {}}}, ErrInvalid},
		{`Metrics.Scores["n"]: invalid: NaN is no number`, &Allocation{ID: id, Metrics: &AllocMetric{Scores: map[string]float64{"n": math.NaN()}}}, ErrInvalid},
		{`Metrics.Scores["n"]`, &Allocation{ID: id, Metrics: &AllocMetric{Scores: map[string]float64{"n": math.Inf(-1)}}}, ErrInvalid},
		{config + ": invalid: a value of type chan int cannot be stored", withConfig(make(chan int)), ErrInvalid},
		{config + ": invalid: a value of type *int cannot be stored", withConfig(typedNil), ErrInvalid},
		{config + `[1]["y"]: invalid: a value of type struct {}`, withConfig([]any{1, map[string]any{"y": struct{}{}}}), ErrInvalid},
		{config + ": invalid: +Inf is no number", withConfig(math.Inf(1)), ErrInvalid},
		{config + ": invalid: NaN is no number", withConfig(float32(math.NaN())), ErrInvalid},
		{config + `: invalid: "Inf" is no number`, withConfig(json.Number("Inf")), ErrInvalid},
		{"", withConfig(json.Number("1e400")), nil},
		{"", withConfig(nestedLists(maxDepth - 1)), nil},
		{config + strings.Repeat("[0]", maxDepth-1) + ": invalid: nested deeper than 64 levels", withConfig(nestedLists(maxDepth)), ErrInvalid},
		{"nested deeper than 64 levels", withConfig(cycle), ErrInvalid},
		{"", withConfig(freeFormReferences()), nil},
	} {
		err := c.a.Validate()
		if c.fault == "" {
			require.NoError(t, err, "this is valid: %+v", c.a)
			continue
		}
		require.ErrorIs(t, err, c.kind, "the kind of %s", c.fault)
		require.ErrorContains(t, err, c.fault, "the path of the fault")
	}
}

func TestValidateReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	a := &Allocation{ID: "a", PreviousAllocation: "b", TaskResources: map[string]*Resources{"": nil}, TaskStates: map[string]*TaskState{"t": nil}}
	err := a.Validate()
	require.ErrorIs(t, err, ErrInvalidID)
	require.ErrorIs(t, err, ErrInvalid)
	require.Equal(t, []string{
		`ID: invalid allocation ID: "a"`,
		`PreviousAllocation: invalid allocation ID: "b"`,
		`TaskResources: invalid: empty task name`,
		`TaskResources[""]: invalid: nil`,
		`TaskStates["t"]: invalid: nil`,
	}, strings.Split(err.Error(), "\n"), "all faults, in order")

	for i := range 100 {
		a.TaskStates[fmt.Sprint(i)] = nil
	}
	require.Len(t, strings.Split(a.Validate().Error(), "\n"), maxFaults, "the number of faults is bounded")
}

func TestValidateClientLooksAtTheClientsFieldsOnly(t *testing.T) {
	t.Parallel()
	a := withConfig(make(chan int))
	a.PreviousAllocation, a.TaskResources["redis"], a.Metrics.Scores[""] = "x", nil, math.NaN()
	require.Error(t, a.Validate())
	require.NoError(t, a.ValidateClient(), "a client's update is not refused for a fault in an ignored field")
	a.ID, a.TaskStates["redis"], a.TaskStates[""] = "x", nil, nil
	err := a.ValidateClient()
	require.ErrorIs(t, err, ErrInvalidID)
	require.ErrorIs(t, err, ErrInvalid)
	require.Len(t, strings.Split(err.Error(), "\n"), 4, "all faults at once: %v", err)
	require.ErrorIs(t, (*Allocation)(nil).ValidateClient(), ErrInvalid, "nil is an error")
}

func TestValidateChangesNothing(t *testing.T) {
	t.Parallel()
	a := withConfig(freeFormReferences())
	was := a.Clone()
	require.NoError(t, a.Validate())
	require.Equal(t, was, a, "the caller's Config stays as it is")
}

// TestValidateCostsNothing is not parallel, because it counts memory allocations.
func TestValidateCostsNothing(t *testing.T) {
	for _, v := range []any{
		nil, true, "s", 6379, int64(6379), uint64(1 << 63), 2.5, time.Second, []any{0.5, map[string]any{"a": 6379}},
		[]string{"a"}, []int{6379}, map[string]string{"a": "b"}, []map[string]any{{"db": 6379}}, []map[string]string{{"a": "b"}},
	} {
		a := withConfig(v)
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = a.Validate() }), "a valid allocation costs no memory to validate: %T", v)
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = a.ValidateClient() }), "nor does a client's update")
	}
}
