package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A model is what the store should be: a plain map for every index. It is as
// dumb as possible, knows the rules from the design alone and shares no code
// with the store or with schema's rules.
type model struct {
	at      map[uint64]map[string]*schema.Allocation // the whole content after each index
	gone    map[string]uint64                        // when the absent were deleted
	last    uint64
	current map[string]*schema.Allocation
}

func newModel() *model {
	empty := map[string]*schema.Allocation{}
	return &model{at: map[uint64]map[string]*schema.Allocation{1: empty}, gone: map[string]uint64{}, last: 1, current: empty}
}

// A step is one write of a batch, in the store's terms and in the model's.
type step struct {
	add   func(*store.Batch)
	do    func(m map[string]*schema.Allocation, index uint64) (known bool)
	id    string
	kind  string
	noJob bool
}

// apply is the oracle of Apply: it works on copies and throws them away if
// nothing has changed.
func (m *model) apply(steps []step) (store.Applied, error) {
	index := m.last + 1
	next := map[string]*schema.Allocation{}
	for id, a := range m.current {
		next[id] = a.Clone()
	}
	var applied store.Applied
	unknown := map[string]bool{}
	known := make([]bool, len(steps))
	for i, s := range steps {
		if s.noJob && next[s.id] == nil {
			return store.Applied{}, store.ErrNoJob
		}
		if known[i] = s.do(next, index); !known[i] && !unknown[s.id] {
			unknown[s.id] = true
			applied.Unknown = append(applied.Unknown, s.id)
		}
	}
	changed := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(merge(m.current, next))) {
		was, is := m.current[id], next[id]
		if was == nil && is == nil || was != nil && is != nil && content(was) == content(is) {
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
		m.last, m.current, m.at[index] = index, next, next
	}
	applied.Index = m.last
	return applied, nil
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

// content is an allocation without what the store stamps on each write. A
// re-insert is told by its CreateIndex.
func content(a *schema.Allocation) string {
	c := a.Clone()
	c.ModifyIndex, c.AllocModifyIndex = 0, 0
	return text(c)
}

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

// A dice rolls the model test's steps over few IDs, so that they meet often.
type dice struct{ *rand.Rand }

func (d dice) id() string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", (8+d.IntN(8))<<28, 10+d.IntN(3))
}

// cased is the ID in either case, which means the same.
func (d dice) cased(id string) string { return d.pick(id, strings.ToUpper(id)) }

func (d dice) pick(of ...string) string { return of[d.IntN(len(of))] }

func (d dice) states() map[string]*schema.TaskState {
	states := map[string]*schema.TaskState{}
	for range d.IntN(3) {
		ts := &schema.TaskState{State: d.pick("pending", "running", "dead"), Restarts: uint64(d.IntN(2))}
		for i := range d.IntN(13) {
			ts.Events.Append(schema.TaskEvent{Type: schema.TaskStarted, Time: int64(i)})
		}
		states[d.pick("redis", "web")] = ts
	}
	if len(states) == 0 {
		return nil
	}
	return states
}

func (d dice) alloc() *schema.Allocation {
	a := &schema.Allocation{
		ID: d.id(), NodeID: d.pick("node1", "node10", ""), JobID: d.pick("a", "b"), EvalID: d.pick("e1", "e2"),
		DesiredStatus: d.pick("run", "stop"), ClientStatus: d.pick("pending", "running", "lost", "unknown", ""),
		ClientDescription: d.pick("", "fine"), TaskStates: d.states(),
		Job: &schema.Job{ID: d.pick("a", "b"), Priority: d.IntN(2)},
	}
	if d.IntN(4) == 0 {
		if previous := d.id(); previous != a.ID {
			a.PreviousAllocation = previous
		}
	}
	if d.IntN(8) == 0 {
		if next := d.id(); next != a.ID {
			a.NextAllocation = next
		}
	}
	return a
}

func (d dice) step(m *model) step {
	switch d.IntN(10) {
	case 0, 1, 2:
		return d.upsert(m)
	case 3, 4, 5:
		return d.update()
	case 6, 7:
		return d.event()
	}
	id := d.id()
	return step{id: id, kind: "delete", add: func(b *store.Batch) { b.Delete(strings.ToUpper(id)) },
		do: func(m map[string]*schema.Allocation, _ uint64) bool {
			_, known := m[id]
			delete(m, id)
			return known
		}}
}

// upsert writes something new, or now and then what is there already.
func (d dice) upsert(m *model) step {
	a := d.alloc()
	if was := m.current[a.ID]; was != nil && d.IntN(2) == 0 {
		a = was.Clone()
		if d.IntN(2) == 0 {
			a.Job = nil
		}
	}
	in := a.Clone()
	in.ID, in.PreviousAllocation, in.NextAllocation = d.cased(a.ID), d.cased(a.PreviousAllocation), d.cased(a.NextAllocation)
	return step{id: a.ID, kind: "upsert", noJob: a.Job == nil, add: func(b *store.Batch) { b.Upsert(in) },
		do: func(m map[string]*schema.Allocation, index uint64) bool {
			is := a.Clone()
			if was := m[a.ID]; was == nil {
				is.CreateIndex, is.ModifyIndex, is.AllocModifyIndex = index, index, index
			} else {
				if is.Job == nil {
					is.Job = was.Job
				}
				status := was.ClientStatus
				if is.ClientStatus == "lost" || is.ClientStatus == "unknown" {
					status = is.ClientStatus
				}
				is.CreateIndex, is.ClientStatus = was.CreateIndex, status
				is.ClientDescription, is.TaskStates = was.ClientDescription, was.TaskStates
				is.ModifyIndex, is.AllocModifyIndex = was.ModifyIndex, was.AllocModifyIndex
				if content(is) != content(was) {
					is.ModifyIndex, is.AllocModifyIndex = index, index
				}
			}
			m[a.ID] = is
			if p := m[a.PreviousAllocation]; p != nil && p.NextAllocation != a.ID {
				p.NextAllocation, p.ModifyIndex = a.ID, index
			}
			return true
		}}
}

func (d dice) update() step {
	a := &schema.Allocation{ID: d.id(), ClientStatus: d.pick("running", "failed"), ClientDescription: d.pick("", "x"), TaskStates: d.states(), NodeID: "the client's idea of it"}
	in := a.Clone()
	in.ID = d.cased(a.ID)
	return step{id: a.ID, kind: "client", add: func(b *store.Batch) { b.UpdateFromClient(in) },
		do: func(m map[string]*schema.Allocation, index uint64) bool {
			is := m[a.ID]
			if is == nil {
				return false
			}
			c := a.Clone()
			is.ClientStatus, is.ClientDescription, is.TaskStates, is.ModifyIndex = c.ClientStatus, c.ClientDescription, c.TaskStates, index
			return true
		}}
}

func (d dice) event() step {
	id, task, state := d.id(), d.pick("redis", "web"), d.pick("", "running", "dead")
	ev := schema.TaskEvent{Type: d.pick(schema.TaskRestarting, schema.TaskTerminated, schema.TaskNotRestarting), Time: d.Int64N(1 << 40), Message: d.pick("", "m")}
	cased := d.cased(id)
	return step{id: id, kind: "event", add: func(b *store.Batch) { b.AppendTaskEvent(cased, task, state, ev) },
		do: func(m map[string]*schema.Allocation, index uint64) bool {
			is := m[id]
			if is == nil {
				return false
			}
			if is.TaskStates == nil {
				is.TaskStates = map[string]*schema.TaskState{}
			}
			ts := is.TaskStates[task]
			if ts == nil {
				ts = &schema.TaskState{State: "pending"}
				is.TaskStates[task] = ts
			}
			ts.Events.Append(ev)
			switch ev.Type {
			case schema.TaskRestarting:
				ts.Restarts, ts.LastRestart = ts.Restarts+1, schema.UnixNano(ev.Time)
			case schema.TaskNotRestarting:
				ts.Failed = true
			}
			if state == "running" && ts.State != "running" {
				ts.StartedAt, ts.FinishedAt = schema.UnixNano(ev.Time), 0
			}
			if state == "dead" && ts.State != "dead" {
				ts.FinishedAt = schema.UnixNano(ev.Time)
			}
			if state != "" {
				ts.State = state
			}
			is.ModifyIndex = index
			return true
		}}
}

// TestModel applies random batches to a store and to the model, and compares all
// that the store can be asked, with snapshots and reopening in between.
func TestModel(t *testing.T) {
	t.Parallel()
	for range 12 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed, 250, nil)
		})
	}
}

// TestModelCompacted is TestModel with passes of compaction in between, which
// leave nothing of the past but what snapshots need, and a bound on what is resident.
func TestModelCompacted(t *testing.T) {
	t.Parallel()
	for range 12 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed, 250, &store.Options{FeedRetention: -1, ResidentBytes: int64(seed % 3 * 4096)})
		})
	}
}

// sweep makes a pass, and has the model forget what that was to forget.
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
		require.Equal(t, m.last, max(stats.Floor, 1), "nothing keeps the floor down")
		require.Zero(t, stats.DeadBytes, "nothing needs the past")
	}
}

func runModel(t *testing.T, seed uint64, rounds int, opts *store.Options) {
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	path := filepath.Join(t.TempDir(), "model.db")
	s := open(t, path, opts)
	m := newModel()
	var snapshots []*store.Snapshot
	for range rounds {
		steps, batch := []step(nil), new(store.Batch)
		for range 1 + d.IntN(1+d.IntN(9)) {
			st := d.step(m)
			steps = append(steps, st)
			st.add(batch)
		}
		want, refusal := m.apply(steps)
		got, err := s.Apply(context.Background(), batch)
		require.ErrorIs(t, err, refusal)
		require.Equal(t, want, got, "what Apply answers to %v", kinds(steps))
		switch d.IntN(12) {
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
	require.Zero(t, s.Stats().Readers, "nobody reads any more")
}

func kinds(steps []step) (k []string) {
	for _, s := range steps {
		k = append(k, s.kind+" "+s.id)
	}
	return k
}

// compare asks the store for everything.
func compare(t *testing.T, m *model, s *store.Store, d dice) {
	t.Helper()
	require.Equal(t, m.last, s.LastIndex())
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
	list := func(what string, got store.Allocations, belongs func(*schema.Allocation) bool) {
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
		require.Equal(t, want, have, "%s at %d, the store is at %d", what, sn.Index(), m.last)
	}
	list("All", sn.All(), func(*schema.Allocation) bool { return true })
	for _, name := range []string{"node1", "node10", "node", ""} {
		list("ByNode "+name, sn.ByNode(name), func(a *schema.Allocation) bool { return a.NodeID == name })
	}
	list("ByJob", sn.ByJob("a"), func(a *schema.Allocation) bool { return a.JobID == "a" })
	list("ByEval", sn.ByEval("e2"), func(a *schema.Allocation) bool { return a.EvalID == "e2" })
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

func texts(content map[string]*schema.Allocation) map[string]string {
	out := map[string]string{}
	for id, a := range content {
		out[id] = text(a)
	}
	return out
}

// open opens a store that is closed at the end of the test, after its content
// was read once more from the file by a store that has not seen it.
func open(t *testing.T, path string, opts *store.Options) *store.Store {
	t.Helper()
	if opts == nil {
		opts = new(store.Options)
	}
	detecting := *opts
	detecting.DetectMutation = true
	s, err := store.Open(path, &detecting)
	require.NoError(t, err)
	t.Cleanup(func() {
		for err := range s.Check(context.Background()) {
			if !errors.Is(err, store.ErrClosed) {
				require.NoError(t, err)
			}
		}
		shut(t, s)
		require.Equal(t, s.ResidentBytes(), s.Stats().ResidentBytes, "the account of what is resident")
	})
	return s
}

// noticing are the options of a test that has none of its own.
var noticing = &store.Options{DetectMutation: true}

// shut closes a store that has to be sound.
func shut(t testing.TB, s *store.Store) {
	t.Helper()
	store.Sound(t, s)
	require.NoError(t, s.Close())
}
