package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

const sample = "../../../testdata/allocation.json"

func newFleet(t *testing.T, n int) *Fleet {
	t.Helper()
	f, err := New(sample, n, 1)
	require.NoError(t, err)
	return f
}

func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 10_001)
	seen := make(map[string]bool)
	for i := range f.Len() {
		_, err := schema.ParseID(f.ID(i))
		require.NoError(t, err)
		seen[f.ID(i)] = true
	}
	require.Len(t, seen, f.Len())
	require.Equal(t, 11, f.Jobs())
	require.Equal(t, f.JobID(10), f.Alloc(10_000).JobID)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"no such file", "fleet.go", "../../../testdata/allocation-as-printed.json"} {
		_, err := New(file, 1, 1)
		require.Error(t, err, file)
	}
}

// stored returns allocation i as a store holds it after n events.
func stored(f *Fleet, i, n int) *schema.Allocation {
	a := f.Alloc(i)
	a.CreateIndex, a.AllocModifyIndex, a.ModifyIndex = 2, 2, uint64(2+n)
	if n > 0 {
		upd := f.Update(i, State(i, n))
		a.ClientStatus, a.TaskStates = upd.ClientStatus, upd.TaskStates
	}
	return a
}

// TestCheckAgreesWithState compares the state that Check derives from the latest
// events with the state after all events.
func TestCheckAgreesWithState(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	for n := range 5 * len(life) {
		a := stored(f, 2, n)
		require.NoError(t, f.Check(2, a, Truth{2, uint64(2 + n), n}), "%d events", n)
		last, err := f.Last(2, a)
		require.NoError(t, err)
		require.Equal(t, n, last)
	}
}

func TestCheckFindsDifferences(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	for name, spoil := range map[string]func(*schema.Allocation, *schema.TaskState){
		"the ID":         func(a *schema.Allocation, _ *schema.TaskState) { a.ID = f.ID(0) },
		"a field":        func(a *schema.Allocation, _ *schema.TaskState) { a.Name = "other" },
		"the job":        func(a *schema.Allocation, _ *schema.TaskState) { a.Job = f.Alloc(0).Job.Clone(); a.Job.Priority++ },
		"the insert":     func(a *schema.Allocation, _ *schema.TaskState) { a.CreateIndex++ },
		"the index":      func(a *schema.Allocation, _ *schema.TaskState) { a.ModifyIndex-- },
		"the status":     func(a *schema.Allocation, _ *schema.TaskState) { a.ClientStatus = schema.ClientStatusComplete },
		"no task":        func(a *schema.Allocation, _ *schema.TaskState) { a.TaskStates = nil },
		"another task":   func(a *schema.Allocation, ts *schema.TaskState) { a.TaskStates["other"] = ts },
		"restarts":       func(_ *schema.Allocation, ts *schema.TaskState) { ts.Restarts++ },
		"the start":      func(_ *schema.Allocation, ts *schema.TaskState) { ts.StartedAt++ },
		"an event more":  func(_ *schema.Allocation, ts *schema.TaskState) { Record(ts, 1, 25) },
		"an event less":  func(_ *schema.Allocation, ts *schema.TaskState) { *ts = *State(1, 24) },
		"what it counts": func(_ *schema.Allocation, ts *schema.TaskState) { *ts = *recent(1, 25); ts.Restarts = restarts(25) },
	} {
		a := stored(f, 1, 25)
		spoil(a, a.TaskStates[f.task])
		require.Error(t, f.Check(1, a, Truth{2, 27, 25}), name)
	}
	_, err := f.Last(0, stored(f, 1, 25))
	require.Error(t, err)
	a := stored(f, 1, 25)
	Record(a.TaskStates[f.task], 1, 26)
	_, err = f.Last(1, a)
	require.Error(t, err, "the last event is another")
}

func BenchmarkCheck(b *testing.B) {
	f, err := New(sample, 3, 1)
	require.NoError(b, err)
	a := stored(f, 1, 25)
	for b.Loop() {
		if err := f.Check(1, a, Truth{2, 27, 25}); err != nil {
			b.Fatal(err)
		}
	}
}
