package state

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// TestCompareFinds breaks one thing at a time in one of two states of the same log, and
// expects Compare to name it.
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
		"an ID that a list lacks": {func(st *State) {
			place(st, first, 2, lists.Placement{lists.ByJob: "job"})
		}, `not in the list of node "node"`},
		"an ID that all lacks": {func(st *State) {
			v := st.Table.Get(&second)
			st.Lists.Apply(&lists.Change{ID: second, Index: 3, Was: v.Place})
		}, `not in the list of all allocations`},
		"an ID in a wrong list": {func(st *State) {
			place(st, first, 2, lists.Placement{lists.ByNode: "node", lists.ByJob: "job", lists.ByEval: "other"})
		}, `in the list of evaluation "other"`},
		"an ID that is terminal in a list": {func(st *State) {
			v := st.Table.Get(&first)
			is := v.Place
			is.Terminal.Set(lists.ClientTerminal, lists.ClientTerminal)
			st.Lists.Apply(&lists.Change{ID: first, Index: 2, Was: v.Place, Is: is})
		}, `not in the list of`},
		"a departure that the file has not": {func(st *State) {
			p := st.Lists.Place(&lists.Placement{lists.ByNode: "node"}, 0)
			st.Lists.Apply(&lists.Change{ID: schema.ID{9}, Index: 3, Is: p})
			st.Lists.Apply(&lists.Change{ID: schema.ID{9}, Index: 3, Was: p})
		}, `departures`},
		"an index that the file has not": {func(st *State) {
			v := st.Table.Get(&first)
			st.Lists.Apply(&lists.Change{ID: first, Index: 3, Was: v.Place, Is: v.Place})
		}, `its index is 3, by the file it is 2`},
		"an ID that has moved since": {func(st *State) {
			place(st, first, 4, lists.Placement{lists.ByEval: "other"})
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
			require.ErrorContains(t, errors.Join(faults...), c.want)
		})
	}
}

// TestDifferingFindsTheDigest changes the digest of one of two states of the same log. It is not
// compared with that of a file whose content is damaged since.
func TestDifferingFindsTheDigest(t *testing.T) {
	t.Parallel()
	used, loaded := twoRecords(t), twoRecords(t)
	index, digest := used.Digest()
	require.EqualValues(t, 3, index)
	require.NotZero(t, digest)
	used.PublishIndex(index, 1)
	faults := used.Differing(loaded)
	require.Len(t, faults, 1)
	require.ErrorIs(t, faults[0], record.ErrCorrupt)
	require.ErrorContains(t, faults[0], "digest")
	loaded.Damaged.addRecord(record.Key{Index: 2}, damagedRecord{})
	require.Empty(t, used.Differing(loaded))
	used.Damaged.addRecord(record.Key{Index: 2}, damagedRecord{})
	require.Len(t, used.Differing(loaded), 1, "damage that both have is in both digests")
}

// place places an allocation in other lists at an index. An index above that of its version makes
// a version too.
func place(st *State, id schema.ID, index uint64, to lists.Placement) {
	was := st.Table.Get(&id)
	v := &Version{Content: was.Content}
	v.Place = st.Lists.Place(&to, 0)
	if index > was.Modified() {
		v.schedIndex = index
		st.Table.put(&id, v)
	}
	st.Lists.Apply(&lists.Change{ID: id, Index: index, Was: was.Place, Is: v.Place, Scheduled: true})
}

// twoRecords returns a state with two allocations, at the indexes 2 and 3.
func twoRecords(t *testing.T) *State {
	t.Helper()
	st := newState(&Options{})
	st.Jobs.Add(&Job{Hash: record.JobHash{1}})
	st.Index.Publish(3)
	var records []scanned
	for i := range byte(2) {
		r := record.Record{ID: schema.ID{i + 1}, Flags: record.FlagSched | record.FlagClient, Job: record.JobHash{1}}
		e := logfile.Entry{Key: record.Key{Index: uint64(i) + 2}, Value: make([]byte, 100), Record: r}
		records = append(records, scanned{Entry: e, sched: schema.Placement{NodeID: [...]string{"node", "node2"}[i], JobID: "job"}})
	}
	require.NoError(t, rebuildFrom(st, records))
	return st
}
