package storetest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/storetest"
)

func ExampleMock() {
	a := storetest.Mock(storetest.OnNode("node7"), storetest.OfJob("web"), storetest.Failed)
	fmt.Println(a.Name, "on", a.NodeID, "is", a.ClientStatus)
	for ev := range a.TaskStates["redis"].Events.All() {
		fmt.Println(ev.Type)
	}
	// Output:
	// web.cache[0] on node7 is failed
	// Received
	// Task Setup
	// Started
	// Terminated
	// Not Restarting
}

// TestMock writes allocations of every kind as a scheduler and a client do, and reads them. Two of one kind
// differ in their IDs alone, and share nothing.
func TestMock(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for name, c := range map[string]struct {
		options  []storetest.Option
		state    string
		events   int
		terminal bool
	}{
		"placed":   {nil, "", 0, false},
		"running":  {[]storetest.Option{storetest.Running}, schema.TaskStateRunning, 3, false},
		"complete": {[]storetest.Option{storetest.Complete}, schema.TaskStateDead, 4, true},
		"failed":   {[]storetest.Option{storetest.OfJob("a"), storetest.OnNode("n"), storetest.Failed}, schema.TaskStateDead, 5, true},
	} {
		a, again := storetest.Mock(c.options...), storetest.Mock(c.options...)
		require.NotEqual(t, a.ID, again.ID, name)
		require.NoError(t, a.Validate(), name)
		require.Equal(t, c.terminal, a.Terminal(), name)
		if c.events > 0 {
			ts := a.TaskStates["redis"]
			require.Equal(t, c.state, ts.State, name)
			require.Equal(t, c.events, ts.Events.Len(), name)
			require.Equal(t, name == "failed", ts.Failed, name)
			require.True(t, slices.IsSortedFunc(slices.Collect(ts.Events.All()), func(a, b schema.TaskEvent) int { return int(a.Time - b.Time) }))
		}
		placed, err := s.Upsert(t.Context(), a)
		require.NoError(t, err, name)
		_, err = s.UpdateFromClient(t.Context(), a)
		require.NoError(t, err, name)
		got, err := s.Get(a.ID)
		require.NoError(t, err, name)
		want := a.Clone()
		want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = placed.Index, got.ModifyIndex, placed.Index
		require.Equal(t, want, got, name)

		a.Job.TaskGroups[0].Tasks[0].Name, a.Resources.Networks[0].DynamicPorts[0].Value = "changed", 1
		storetest.WithID(again.ID)(a)
		require.NotEqual(t, a, again, name)
		require.Equal(t, storetest.Mock(append(c.options, storetest.WithID(again.ID))...), again, name)
	}
	require.Equal(t, "0000000a-0000-4000-8000-000000000000", storetest.ID(10))
}

// A fakeTest is a test that may fail.
type fakeTest struct {
	testing.TB
	cleanups []func()
	failed   []any
}

func (f *fakeTest) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *fakeTest) Error(args ...any) { f.failed = append(f.failed, args...) }

// end runs the cleanups of Open, and returns the errors.
func (f *fakeTest) end() []any {
	for _, fn := range slices.Backward(f.cleanups) {
		fn()
	}
	return f.failed
}

// TestOpen opens stores for tests: one that closes its store passes, and one that changes a returned
// allocation fails.
func TestOpen(t *testing.T) {
	t.Parallel()
	closes := &fakeTest{TB: t}
	require.NoError(t, storetest.Open(closes).Close())
	require.Empty(t, closes.end())

	changes := &fakeTest{TB: t}
	s := storetest.Open(changes)
	require.EqualValues(t, 1, s.LastIndex(), "a new store")
	a := storetest.Mock()
	_, err := s.Upsert(t.Context(), a)
	require.NoError(t, err)
	got, err := s.Get(a.ID)
	require.NoError(t, err)
	got.NodeID = "changed"
	failed := changes.end()
	require.Len(t, failed, 1)
	require.True(t, errors.Is(failed[0].(error), store.ErrMutated), "%v", failed)
	_, err = s.Get(a.ID)
	require.ErrorIs(t, err, store.ErrClosed)
}
