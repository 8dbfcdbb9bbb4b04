package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// TestCheckFinds breaks one thing at a time, in memory or in the file, and expects Check to
// name it. Package state tests the faults that only that package can make.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	first, second := mustID(t, testAlloc(1).ID), mustID(t, testAlloc(2).ID)
	inFile := func(fn func(st *state.State, tx *bbolt.Tx) error) func(*testing.T, *state.State) {
		return func(t *testing.T, st *state.State) {
			require.NoError(t, st.File.Update(func(tx logfile.Tx) (bool, error) { return true, fn(st, boltTx(tx)) }))
		}
	}
	republish := func(st *state.State, id, other schema.ID, place lists.Place) {
		before := st.Table.Get(&other)
		v := &state.Version{Content: before.Content}
		v.Place = place
		st.Publish(&state.Change{ID: id, V: v, Before: before})
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, *state.State)
		want   string
	}{
		"a version of another record": {func(_ *testing.T, st *state.State) {
			republish(st, first, second, st.Table.Get(&second).Place)
		}, first.String() + ": in the file at 2.0, in the table at 3.0, and not the same"},
		"a checksum in the table": {func(_ *testing.T, st *state.State) { st.Table.Get(&first).ClientSum++ }, "not the same"},
		"an ID that is not in the file": {func(_ *testing.T, st *state.State) {
			republish(st, schema.ID{9}, first, st.Table.Get(&first).Place)
		}, "in the table at 2.0, not in the file"},
		"an ID that is not in the table": {func(_ *testing.T, st *state.State) {
			st.RecordRemoved(first, st.Table.Get(&first).Pair().Newest(), 0, true)
		}, "in the file at 2.0, not in the table"},
		"an ID that is not in its list": {func(_ *testing.T, st *state.State) {
			elsewhere := lists.Placement{lists.ByNode: "other", lists.ByJob: "job"}
			republish(st, first, first, st.Lists.Place(&elsewhere, 0))
		}, `not in the list of node "node"`},
		"a count":    {func(_ *testing.T, st *state.State) { st.Counts.Allocations.Add(1) }, "allocations: 3 are counted, the file has 2"},
		"the digest": {func(_ *testing.T, st *state.State) { st.PublishIndex(0, 1) }, "the digest is"},
		"bytes":      {func(_ *testing.T, st *state.State) { st.Size.Live.Add(-1) }, "bytes of live records"},
		"a lost record": {inFile(func(_ *state.State, tx *bbolt.Tx) error {
			return tx.Bucket([]byte("log")).Delete(record.Key{Index: 3}.AppendTo(nil))
		}), "the content's sum"},
		"a damaged record": {inFile(func(_ *state.State, tx *bbolt.Tx) error {
			k := record.Key{Index: 3}.AppendTo(nil)
			log := tx.Bucket([]byte("log"))
			value := append([]byte(nil), log.Get(k)...)
			value[len(value)-1]++
			return log.Put(k, value)
		}), "3.0: damaged: wrong checksum"},
		"a lost job": {inFile(func(st *state.State, tx *bbolt.Tx) error {
			h := st.Table.Get(&first).Job.Hash
			return tx.Bucket([]byte("jobs")).Delete(h[:])
		}), "no job"},
		"the last index in the file": {inFile(func(_ *state.State, tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("index"), record.Key{Index: 7}.AppendTo(nil)[:8])
		}), "the content's sum"},
		"an unknown key": {inFile(func(_ *state.State, tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("flour"), []byte("x"))
		}), `key "flour"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(filepath.Join(t.TempDir(), "check.db"), nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			for n := range byte(2) {
				a := testAlloc(n + 1)
				a.NodeID = "node"
				upsert(t, s, a)
			}
			require.Empty(t, Faults(s))
			c.damage(t, s.state.Load())
			faults := Faults(s)
			require.NotEmpty(t, faults)
			require.ErrorIs(t, faults[0], ErrCorrupt)
			require.ErrorContains(t, faults[0], s.state.Load().File.Path())
			require.ErrorContains(t, faults[0], c.want)
			for range s.Check(t.Context()) {
				break // the caller may stop early
			}
		})
	}
}

// TestCheckBesideWrites checks a store while it is written, compacted and read. Check must
// find no fault.
func TestCheckBesideWrites(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "check.db"), &Options{DetectMutation: true, FeedRetention: -1})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 600 {
			a := testAlloc(byte(i % 50))
			a.Name, a.NodeID = string(rune('a'+i%26)), string(rune('a'+i%7))
			_, err := s.Upsert(context.Background(), a)
			if err == nil && i%3 == 0 {
				_, err = s.Delete(context.Background(), testAlloc(byte(i%50)).ID)
			}
			if err == nil && i%40 == 0 {
				err = s.Compact(context.Background())
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		require.Empty(t, Faults(s))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for err := range s.Check(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	shut(t, s)
	faults := Faults(s)
	require.Len(t, faults, 1)
	require.ErrorIs(t, faults[0], ErrClosed)
}

// TestCheckAppliesNoRulesOfInput stores, past the rules for input, text that is not UTF-8, as earlier
// releases took it, and content that none took. Check reports only the latter.
func TestCheckAppliesNoRulesOfInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(*schema.Allocation)
		want string
	}{
		"text":                {func(a *schema.Allocation) { a.NodeID, a.ClientStatus = "caf\xe9", "\xff" }, ""},
		"text of the job":     {func(a *schema.Allocation) { a.Job.Meta = map[string]string{"\xff": "caf\xe9"} }, ""},
		"a task without name": {func(a *schema.Allocation) { a.TaskStates = map[string]*schema.TaskState{"": {}} }, ""},
		"a nil state":         {func(a *schema.Allocation) { a.TaskStates = map[string]*schema.TaskState{"t": nil} }, `task "t" has a nil state`},
		"nil resources":       {func(a *schema.Allocation) { a.TaskResources = map[string]*schema.Resources{"t": nil} }, `task "t" has nil resources`},
		"a score": {func(a *schema.Allocation) {
			a.Metrics = &schema.AllocMetric{Scores: map[string]float64{"s": math.NaN()}}
		}, `score "s" is NaN`},
		"the ID of another":      {func(a *schema.Allocation) { a.PreviousAllocation = "x" }, "previous allocation"},
		"NaN in a configuration": {func(a *schema.Allocation) { a.Job.TaskGroups = withConfig([]any{map[string]any{"x": 1234.5}}) }, "config of task"},
		"finite configuration":   {func(a *schema.Allocation) { a.Job.TaskGroups = withConfig([]any{1.5, map[string]any{"x": "\xff"}}) }, ""},
	} {
		s, err := Open(filepath.Join(t.TempDir(), "input.db"), nil)
		require.NoError(t, err)
		a := testAlloc(1)
		c.set(a)
		var b Batch
		o := plan.Op{Kind: plan.Upsert, ID: mustID(t, a.ID)}
		o.Sched = plan.SchedulerPart(b.keep(codec.AppendScheduler(b.bytes, a)), "")
		o.Client = plan.ClientPart(b.keep(codec.AppendClient(b.bytes, a)), "")
		job := string(codec.AppendJob(nil, a.Job))
		job = strings.ReplaceAll(job, bits(1234.5), bits(math.NaN()))
		o.Job = &plan.Job{Hash: record.HashJob(job), Body: job}
		b.add(o)
		_, err = s.Apply(t.Context(), &b)
		require.NoError(t, err, name)
		faults := Faults(s)
		if c.want == "" {
			require.Empty(t, faults, name)
			require.Error(t, a.Validate(), "new input is refused: %s", name)
			var stream bytes.Buffer
			_, err := s.Backup(t.Context(), &stream)
			require.NoError(t, err)
			require.NoError(t, s.Restore(t.Context(), &stream), "nor does Restore apply them: %s", name)
		} else {
			require.Len(t, faults, 1, name)
			require.ErrorIs(t, faults[0], ErrCorrupt, name)
			require.ErrorContains(t, faults[0], a.ID+": "+c.want, name)
		}
		require.NoError(t, s.Close())
	}
}

// bits returns the bytes that encode f.
func bits(f float64) string {
	return string(binary.BigEndian.AppendUint64(nil, math.Float64bits(f)))
}

func withConfig(v any) []schema.TaskGroup {
	return []schema.TaskGroup{{Tasks: []schema.Task{{Config: map[string]any{"key": v}}}}}
}

// boltTx returns the bbolt transaction of tx. A test damages the file with it.
func boltTx(tx logfile.Tx) *bbolt.Tx {
	return (*bbolt.Tx)(reflect.ValueOf(tx).FieldByName("tx").UnsafePointer())
}

// TestCheckOfAFailedStore checks a store whose last commit reached the file but is never
// published, because it was reported as failed.
func TestCheckOfAFailedStore(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "failed.db"), detecting)
	require.NoError(t, err)
	upsert(t, s, testAlloc(1))
	b := new(Batch)
	b.Upsert(testAlloc(2))
	_, err = newGroupWriter(&s.core).commit([]*request{{batch: b}}, nil, nil)
	require.NoError(t, err)
	failure := ErrFailed
	s.failure.Store(&failure)
	require.Empty(t, Faults(s))
	require.ErrorIs(t, s.Close(), ErrFailed)
}

// placeAndDelete returns a batch that places 250 allocations, and one that deletes them.
func placeAndDelete() (place, remove *Batch) {
	place, remove = new(Batch), new(Batch)
	for i := range byte(250) {
		place.Upsert(testAlloc(i))
		remove.Delete(testAlloc(i).ID)
	}
	return place, remove
}

// TestCheckBesideReturningIDs compares the lists while IDs are placed again whose removal from
// the lists is pending.
func TestCheckBesideReturningIDs(t *testing.T) {
	t.Parallel()
	var s *Store
	for round := range 100 {
		if round%10 == 0 { // a small one
			s = openTemp(t, nil)
		}
		place, remove := placeAndDelete()
		again, _ := placeAndDelete()
		_, err := s.Apply(t.Context(), place)
		require.NoError(t, err)
		st, reader := s.enter() // Check is a reader too
		_, err = s.Apply(t.Context(), remove)
		require.NoError(t, err)
		c := check{Store: s, used: st}
		require.NoError(t, c.load(t.Context()))
		require.NoError(t, c.waitPublished(t.Context()))
		returned := make(chan error)
		go func() {
			_, err := s.Apply(context.Background(), again)
			returned <- err
		}()
		for done := false; !done; {
			select {
			case err := <-returned:
				require.NoError(t, err)
				done = true
			default:
				require.NoError(t, st.Compare(t.Context(), c.loaded, c.note))
			}
		}
		require.Empty(t, c.found)
		s.readers.Leave(reader)
	}
}

// TestCheckBesideAClosingSnapshot compares the lists while IDs leave them, because the only
// snapshot that needed the IDs is closed.
func TestCheckBesideAClosingSnapshot(t *testing.T) {
	t.Parallel()
	var s *Store
	for round := range 200 {
		if round%10 == 0 { // a small one
			s = openTemp(t, nil)
		}
		place, remove := placeAndDelete()
		_, err := s.Apply(t.Context(), place)
		require.NoError(t, err)
		sn, err := s.Snapshot()
		require.NoError(t, err)
		_, err = s.Apply(t.Context(), remove)
		require.NoError(t, err)
		st, reader := s.enter()
		c := check{Store: s, used: st}
		require.NoError(t, c.load(t.Context()))
		closed := make(chan error)
		go func() {
			time.Sleep(time.Duration(round%40) * 2 * time.Microsecond)
			closed <- sn.Close()
		}()
		require.NoError(t, st.Compare(t.Context(), c.loaded, c.note))
		require.Empty(t, c.found)
		require.NoError(t, <-closed)
		s.readers.Leave(reader)
	}
}
