package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A model is the oracle of the store: a plain map for every index. It is as simple as possible,
// follows the documented rules, and shares no code with the store or with schema's rules.
type model struct {
	at      map[uint64]map[string]*schema.Allocation // the whole content after each index
	order   []uint64                                 // the indexes, ascending
	changed map[uint64][]string                      // the IDs that changed at each index, in order
	gone    map[string]uint64                        // the deletion's index of each absent ID
	last    uint64
	applied uint64 // the highest index that a caller gave, and not below last
	current map[string]*schema.Allocation

	floor    uint64 // the lists have forgotten what happened up to it
	restored uint64 // the index of the last restore, 0 for none

	fillers map[string]*schema.Allocation // those that no step writes
}

func newModel() *model {
	empty := map[string]*schema.Allocation{}
	return &model{
		at: map[uint64]map[string]*schema.Allocation{1: empty}, order: []uint64{1}, changed: map[uint64][]string{},
		gone: map[string]uint64{}, last: 1, applied: 1, current: empty,
	}
}

// A step is one write of a batch, for the store and for the model.
type step struct {
	write func(*store.Batch)
	model func(m map[string]*schema.Allocation, index uint64) (known bool)
	id    string
	kind  string

	refusal func(m map[string]*schema.Allocation) error // of the whole batch; nil for none

	condition func(m *model) error // of a step that is a condition, and has no other function of the model
}

// apply is the oracle of Apply.
func (m *model) apply(steps []step) (store.Applied, error) {
	return m.applyAs(m.applied+1, steps)
}

// applyAt is the oracle of ApplyAt at an index above the applied one.
func (m *model) applyAt(at uint64, steps []step) (store.Applied, error) {
	applied, err := m.applyAs(at, steps)
	if err == nil {
		m.applied = at
	}
	return applied, err
}

// applyEntry is the oracle of an entry, which may be refused and counts all the same.
func (m *model) applyEntry(at uint64, steps []step) store.Result {
	applied, err := m.applyAs(at, steps)
	m.applied = at
	return store.Result{Applied: applied, Err: err}
}

// mark marks a restore at an index above the applied one.
func (m *model) mark(at uint64) {
	m.last, m.applied, m.restored = at, at, at
	m.at[at], m.order = m.current, append(m.order, at)
}

// applyAs applies a batch. It works on copies, and discards them if nothing has changed.
func (m *model) applyAs(index uint64, steps []step) (store.Applied, error) {
	steps, err := m.require(steps)
	if err != nil {
		return store.Applied{}, err
	}
	next := map[string]*schema.Allocation{}
	for id, a := range m.current {
		if next[id] = a; m.fillers[id] == nil {
			next[id] = a.Clone()
		}
	}
	var applied store.Applied
	unknown := map[string]bool{}
	known := make([]bool, len(steps))
	for i, s := range steps {
		if s.refusal != nil {
			if err := s.refusal(next); err != nil {
				return store.Applied{}, err
			}
		}
		if known[i] = s.model(next, index); !known[i] && !unknown[s.id] {
			unknown[s.id] = true
			applied.Unknown = append(applied.Unknown, s.id)
		}
	}
	changed := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(merge(m.current, next))) {
		was, is := m.current[id], next[id]
		if was == is || was != nil && is != nil && contentText(was) == contentText(is) {
			if was != nil {
				next[id] = was
			}
			continue
		}
		changed[id] = true
		if is == nil {
			m.gone[id] = index
		} else {
			delete(m.gone, id)
		}
	}
	for i, s := range steps {
		if known[i] && !changed[s.id] {
			applied.Unchanged++
		}
	}
	if len(changed) > 0 {
		m.last, m.applied, m.current, m.at[index] = index, index, next, next
		m.order, m.changed[index] = append(m.order, index), slices.Sorted(maps.Keys(changed))
	}
	applied.Index = m.last
	return applied, nil
}

// require returns the steps that are no conditions, or the error of a condition that does not hold.
func (m *model) require(steps []step) (writes []step, err error) {
	for _, s := range steps {
		if s.condition == nil {
			writes = append(writes, s)
		} else if err := s.condition(m); err != nil {
			return nil, err
		}
	}
	return writes, nil
}

func merge(a, b map[string]*schema.Allocation) map[string]bool {
	all := map[string]bool{}
	for id := range a {
		all[id] = true
	}
	for id := range b {
		all[id] = true
	}
	return all
}

// contentText returns the JSON of an allocation without the indexes that the store sets on each
// write. CreateIndex stays: it tells a re-insert from an update.
func contentText(a *schema.Allocation) string {
	c := a.Clone()
	c.ModifyIndex, c.AllocModifyIndex = 0, 0
	return text(c)
}

// text returns the JSON of an allocation.
func text(a *schema.Allocation) string {
	if a == nil {
		return "none"
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// eventText returns the JSON of an event.
func eventText(ev schema.TaskEvent) string {
	b, err := json.Marshal(ev)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestModel applies random batches to a store and to the model, and compares the results of all
// reads, with snapshots and reopening in between.
func TestModel(t *testing.T) {
	t.Parallel()
	forSeeds(t, 12, func(t *testing.T, seed uint64) { runModel(t, seed, 250, nil) })
}

// TestModelCompacted is TestModel with passes of compaction in between, which keep only the
// records that snapshots need, and with a bound on the resident bytes.
func TestModelCompacted(t *testing.T) {
	t.Parallel()
	forSeeds(t, 12, func(t *testing.T, seed uint64) {
		runModel(t, seed, 250, &store.Options{FeedRetention: -1, ResidentBytes: int64(seed % 3 * 4096)})
	})
}

// forSeeds runs parallel subtests with n random seeds, which are in their names.
func forSeeds(t *testing.T, n int, run func(t *testing.T, seed uint64)) {
	for range n {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			run(t, seed)
		})
	}
}

// sweep makes a pass of compaction, or a rewrite, and removes the deletions that it forgot from
// the model.
func sweep(t *testing.T, m *model, s *store.Store) {
	t.Helper()
	if m.last%2 == 0 {
		require.NoError(t, s.Sweep(t.Context()))
	} else {
		require.NoError(t, s.Compact(t.Context()))
	}
	stats := s.Stats()
	for id, index := range m.gone {
		if index <= stats.Floor {
			delete(m.gone, id)
			r, err := s.Wait(context.Background(), id, store.QueryOptions{MinQueryIndex: index - 1})
			require.NoError(t, err)
			require.Equal(t, store.WaitResult{ID: id, Index: m.last, Outcome: store.Compacted}, r, "Wait below a forgotten deletion")
		}
	}
	require.Equal(t, len(m.gone), stats.Tombstones, "the floor is %d", stats.Floor)
	if stats.Readers == 0 {
		require.Equal(t, m.last, max(stats.Floor, 1), "without readers the floor rises to the last index")
		require.Zero(t, stats.DeadBytes, "without readers no dead record stays")
	}
}

func runModel(t *testing.T, seed uint64, rounds int, opts *store.Options) {
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	path := tempPath(t, "model.db")
	s := open(t, path, opts)
	m := newModel()
	var snapshots []*store.Snapshot
	for range rounds {
		if d.IntN(4) == 0 {
			applyEntries(t, m, s, d)
		} else {
			steps := d.steps(m)
			want, refusal := m.apply(steps)
			got, err := s.Apply(context.Background(), batchOf(steps))
			requireRefusal(t, refusal, err)
			require.Equal(t, want, got, "the result of %v", kinds(steps))
		}
		require.Equal(t, m.applied, s.AppliedIndex())
		requireDigest(t, m.last, digestOf(t, m.current), s)
		switch d.IntN(14) {
		case 0:
			for _, sn := range snapshots {
				compareSnapshot(t, m, sn, d)
				require.NoError(t, sn.Close())
			}
			snapshots = nil
			if d.IntN(3) == 0 {
				shut(t, s)
				before := s.Stats()
				s = open(t, path, opts)
				require.Equal(t, m.applied, s.AppliedIndex(), "Close makes it durable")
				after := s.Stats()
				require.Equal(t, []int64{before.LiveBytes, before.DeadBytes}, []int64{after.LiveBytes, after.DeadBytes})
			}
		case 1, 2:
			sn, err := s.Snapshot()
			require.NoError(t, err)
			require.Equal(t, m.last, sn.Index())
			snapshots = append(snapshots, sn)
		case 3:
			compare(t, m, s, d)
		case 4:
			if opts != nil {
				sweep(t, m, s)
			}
		case 5, 6:
			compareList(t, m, s, d.list(), d)
		}
	}
	compare(t, m, s, d)
	floor := s.Stats().Floor
	compareFeed(t, m, s, floor)
	compareFeed(t, m, s, max(floor, m.last/2))
	for _, err := range s.Changes(context.Background(), max(floor, 1)-1) {
		if floor > 0 {
			require.ErrorIs(t, err, store.ErrCompacted)
		}
		break
	}
	for _, sn := range snapshots {
		compareSnapshot(t, m, sn, d)
		require.NoError(t, sn.Close())
	}
	require.Zero(t, s.Stats().Readers, "all readers are closed")
}

// steps returns the steps of a batch.
func (d dice) steps(m *model) (steps []step) {
	for range 1 + d.IntN(1+d.IntN(9)) {
		steps = append(steps, d.step(m))
	}
	return steps
}

func batchOf(steps []step) *store.Batch {
	b := new(store.Batch)
	for _, st := range steps {
		st.write(b)
	}
	return b
}

// applyEntries applies some entries in one call. Some have been applied before, and some have no
// batch.
func applyEntries(t *testing.T, m *model, s *store.Store, d dice) {
	t.Helper()
	var entries []store.Entry
	var want []store.Result
	var all [][]string
	for at := m.applied + 1 - d.Uint64N(2); len(entries) < 1+d.IntN(6); at += 1 + d.Uint64N(3) {
		e, steps := store.Entry{Index: at}, []step(nil)
		if d.IntN(8) > 0 {
			steps = d.steps(m)
			e.Batch = trip(t, batchOf(steps))
		}
		r := store.Result{Skipped: true}
		if at > m.applied {
			r = m.applyEntry(at, steps)
		}
		entries, want, all = append(entries, e), append(want, r), append(all, kinds(steps))
	}
	got, err := s.ApplyEntries(context.Background(), entries)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range want {
		requireResult(t, want[i], got[i], "entry %d: %v", entries[i].Index, all[i])
	}
}

// requireResult compares the result of an entry with that of the model.
func requireResult(t *testing.T, want, got store.Result, of string, args ...any) {
	t.Helper()
	requireRefusal(t, want.Err, got.Err)
	want.Err, got.Err = nil, nil
	require.Equal(t, want, got, append([]any{of}, args...)...)
}

func kinds(steps []step) (k []string) {
	for _, s := range steps {
		k = append(k, s.kind+" "+s.id)
	}
	return k
}

// compare compares all reads of the store with the model.
func compare(t *testing.T, m *model, s *store.Store, d dice) {
	t.Helper()
	require.Equal(t, m.last, s.LastIndex())
	requireDigest(t, m.last, digestOf(t, m.current), s)
	sn, err := s.Snapshot()
	require.NoError(t, err)
	compareSnapshot(t, m, sn, d)
	require.NoError(t, sn.Close())
	for id, want := range m.current {
		got, err := s.Get(d.cased(id))
		require.NoError(t, err)
		require.Equal(t, text(want), text(got), "Get")
		r, err := s.Wait(context.Background(), d.cased(id), store.QueryOptions{MinQueryIndex: want.ModifyIndex - 1})
		require.NoError(t, err)
		require.Equal(t, store.WaitResult{Alloc: got, ID: id, Index: want.ModifyIndex, Outcome: store.Changed}, r, "Wait below ModifyIndex")
	}
	for id, index := range m.gone {
		_, err := s.Get(id)
		require.ErrorIs(t, err, store.ErrNotFound)
		r, err := s.Wait(context.Background(), id, store.QueryOptions{MinQueryIndex: index - 1})
		require.NoError(t, err)
		require.Equal(t, store.WaitResult{ID: id, Index: index, Outcome: store.Deleted}, r, "Wait below the deletion")
	}
	stats := s.Stats()
	require.Equal(t, []int{len(m.current), len(m.gone)}, []int{stats.Allocations, stats.Tombstones})
}

// compareSnapshot compares all lists, and every allocation, at the snapshot's index.
func compareSnapshot(t *testing.T, m *model, sn *store.Snapshot, d dice) {
	t.Helper()
	content := m.at[sn.Index()]
	for id := range merge(content, m.current) {
		got, err := sn.Get(d.cased(id))
		if content[id] == nil {
			require.ErrorIs(t, err, store.ErrNotFound, "Get at %d", sn.Index())
			continue
		}
		require.NoError(t, err)
		require.Equal(t, text(content[id]), text(got), "Get at %d", sn.Index())
	}
	list := func(query string, got store.Allocations, belongs func(*schema.Allocation) bool) {
		var want []string
		for _, id := range slices.Sorted(maps.Keys(content)) {
			if belongs(content[id]) {
				want = append(want, text(content[id]))
			}
		}
		var have []string
		for a, err := range got {
			require.NoError(t, err)
			have = append(have, text(a))
		}
		require.Equal(t, want, have, "%s at %d, the store is at %d", query, sn.Index(), m.last)
	}
	list("All", sn.All(), func(*schema.Allocation) bool { return true })
	for _, name := range []string{"node1", "node10", "node", ""} {
		list("ByNode "+name, sn.ByNode(name), func(a *schema.Allocation) bool { return a.NodeID == name })
	}
	list("ByJob", sn.ByJob("a"), func(a *schema.Allocation) bool { return a.JobID == "a" })
	list("ByEval", sn.ByEval("e2"), func(a *schema.Allocation) bool { return a.EvalID == "e2" })
	for range 4 {
		l := d.list()
		list(l.sel.String(), sn.List(l.sel), l.holds)
		n, err := sn.Len(l.sel)
		require.NoError(t, err)
		require.Equal(t, l.count(content), n, "Len of %v at %d, the store is at %d", l.sel, sn.Index(), m.last)
	}
	compareMany(t, content, sn.GetMany, d)
	prefix := d.id()[:d.IntN(37)]
	list("ByPrefix "+prefix, sn.ByPrefix(strings.ToUpper(prefix)), func(a *schema.Allocation) bool { return strings.HasPrefix(a.ID, prefix) })
}

// compareFeed replays the feed over the model's content at after, index by index.
func compareFeed(t *testing.T, m *model, s *store.Store, after uint64) {
	t.Helper()
	content := map[string]*schema.Allocation{}
	for index := after; index > 0; index-- {
		if m.at[index] != nil {
			content = maps.Clone(m.at[index])
			break
		}
	}
	if s.LastIndex() <= after {
		return
	}
	for ch, err := range s.Changes(context.Background(), after) {
		require.NoError(t, err)
		require.Greater(t, ch.Index, after)
		if content[ch.ID] = ch.Alloc; ch.Alloc == nil {
			delete(content, ch.ID)
		}
		if !ch.Last {
			continue
		}
		require.Equal(t, texts(m.at[ch.Index]), texts(content), "the feed replayed up to %d", ch.Index)
		if ch.Index == s.LastIndex() {
			return
		}
	}
}

// texts returns the JSON of each allocation.
func texts(content map[string]*schema.Allocation) map[string]string {
	out := map[string]string{}
	for id, a := range content {
		out[id] = text(a)
	}
	return out
}
