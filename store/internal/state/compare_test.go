package state

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// TestCompareFinds breaks one thing at a time in one of two states of the same log, and
// expects Compare to name it first.
func TestCompareFinds(t *testing.T) {
	t.Parallel()
	first, second := schema.ID{1}, schema.ID{2}
	for name, c := range map[string]struct {
		spoil func(*State)
		want  string
	}{
		"nothing":                      {func(*State) {}, ""},
		"an ID that the table has not": {func(st *State) { st.Table.forget(&first, record.Key{Index: 2}) }, "in the file at 2.0, not in the table"},
		"an ID that the file has not":  {func(st *State) { st.Table.put(&schema.ID{9}, st.Table.Get(&first)) }, "in the table at 2.0, not in the file"},
		"another version":              {func(st *State) { st.Table.put(&first, st.Table.Get(&second)) }, "in the file at 2.0, in the table at 3.0, and not the same"},
		"an ID that a list lacks":      {func(st *State) { st.Lists.mu.sets[List{ByNode, "node"}].remove(first) }, `not in the list of node "node"`},
		"an ID that all lacks":         {func(st *State) { st.Lists.mu.sets[List{Kind: Everything}].remove(second) }, `not in the list of all`},
		"an ID in a wrong list": {func(st *State) {
			st.Lists.addLocked(listEntry{List{ByEval, "other"}, first})
		}, `in the list of evaluation "other"`},
		"an ID that is leaving a list": {func(st *State) {
			st.Lists.addLocked(listEntry{List{ByEval, "other"}, first})
			st.Lists.removeLaterLocked(listEntry{List{ByEval, "other"}, first}, math.MaxUint64)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			used, loaded := twoRecords(t), twoRecords(t)
			c.spoil(used)
			var faults []error
			require.NoError(t, used.Compare(t.Context(), loaded, func(err error) error {
				faults = append(faults, err)
				return nil
			}))
			require.Empty(t, used.Differing(loaded))
			if c.want == "" {
				require.Empty(t, faults)
				return
			}
			require.NotEmpty(t, faults)
			require.ErrorIs(t, faults[0], record.ErrCorrupt)
			require.ErrorContains(t, faults[0], c.want)
		})
	}
}

// twoRecords returns a state with two allocations, at the indexes 2 and 3.
func twoRecords(t *testing.T) *State {
	t.Helper()
	st := newState(&Options{})
	st.Jobs.Add(&Job{Hash: record.JobHash{1}})
	var records []scanned
	for i := range byte(2) {
		r := record.Record{ID: schema.ID{i + 1}, Flags: record.FlagSched | record.FlagClient, Job: record.JobHash{1}}
		e := logfile.Entry{Key: record.Key{Index: uint64(i) + 2}, Value: make([]byte, 100), Record: r}
		records = append(records, scanned{Entry: e, placement: Placement{ByNode: "node", ByJob: "job"}})
	}
	require.NoError(t, rebuildFrom(st, records))
	st.Index.Publish(3)
	return st
}
