package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A modelList is a selector, and the rule by which the model selects the same list.
type modelList struct {
	sel                     store.Selector
	named                   func(*schema.Allocation) bool // it has the name or the prefix
	nonTerminal, placements bool
	exact                   bool // a prefix of a whole ID, or of much of it
}

// list returns a random list. Some have had no member.
func (d dice) list() modelList {
	var l modelList
	switch d.IntN(5) {
	case 0:
		name := d.pick("node1", "node1", "node10", "node10", "node", "")
		l.sel, l.named = store.Node(name), func(a *schema.Allocation) bool { return a.NodeID == name }
	case 1:
		name := d.pick("a", "b", "", "c")
		l.sel, l.named = store.Job(name), func(a *schema.Allocation) bool { return a.JobID == name }
	case 2:
		name := d.pick("e1", "e2", "e")
		l.sel, l.named = store.Eval(name), func(a *schema.Allocation) bool { return a.EvalID == name }
	case 3:
		prefix := d.id()[:d.IntN(1+d.IntN(37))]
		l.sel, l.named = store.Prefix(d.cased(prefix)), func(a *schema.Allocation) bool { return strings.HasPrefix(a.ID, prefix) }
	default:
		l.sel, l.named = store.Everything(), func(*schema.Allocation) bool { return true }
	}
	return l.variant(d.IntN(2) == 0, d.IntN(2) == 0)
}

// variant returns the list with these variants in place of its own.
func (l modelList) variant(nonTerminal, placements bool) modelList {
	if l.nonTerminal = nonTerminal; nonTerminal {
		l.sel = l.sel.NonTerminal()
	}
	if l.placements = placements; placements {
		l.sel = l.sel.Placements()
	}
	return l
}

// holds reports whether a is a member.
func (l *modelList) holds(a *schema.Allocation) bool {
	ended := a != nil && (a.DesiredStatus == "stop" || a.DesiredStatus == "evict" ||
		a.ClientStatus == "complete" || a.ClientStatus == "failed" || a.ClientStatus == "lost")
	return a != nil && l.named(a) && !(l.nonTerminal && ended)
}

// members returns the members in the order of their IDs.
func (l *modelList) members(content map[string]*schema.Allocation) (all []*schema.Allocation) {
	for _, id := range slices.Sorted(maps.Keys(content)) {
		if l.holds(content[id]) {
			all = append(all, content[id])
		}
	}
	return all
}

func (l *modelList) count(content map[string]*schema.Allocation) int { return len(l.members(content)) }

// A listEvent is one change of a list: a member that arrived or changed, or a departure.
type listEvent struct {
	index  uint64
	id     string
	alloc  *schema.Allocation // nil for a departure
	reason store.DepartureReason
}

// contentAt returns the content at an index, which may lie in a gap.
func (m *model) contentAt(index uint64) map[string]*schema.Allocation {
	n := sort.Search(len(m.order), func(i int) bool { return m.order[i] > index })
	if n == 0 {
		return nil
	}
	return m.at[m.order[n-1]]
}

// events returns the changes of a list above an index, in the order of the indexes.
func (m *model) events(l *modelList, above uint64) (all []listEvent) {
	before := m.contentAt(above)
	for _, index := range m.order {
		if index <= above || index > m.last {
			continue
		}
		after := m.at[index]
		for _, id := range m.changed[index] {
			was, is := before[id], after[id]
			switch {
			case l.holds(is) && (!l.holds(was) || l.counts(was, is, index)):
				all = append(all, listEvent{index: index, id: id, alloc: is})
			case l.holds(is) || !l.holds(was):
			case is == nil:
				all = append(all, listEvent{index: index, id: id, reason: store.Removed})
			case !l.named(is):
				all = append(all, listEvent{index: index, id: id, reason: store.Moved})
			default:
				all = append(all, listEvent{index: index, id: id, reason: store.Terminated})
			}
		}
		before = after
	}
	return all
}

// counts reports whether a change of a member that stays is one of the list.
func (l *modelList) counts(was, is *schema.Allocation, index uint64) bool {
	linked := is.NextAllocation != "" && is.NextAllocation != was.NextAllocation
	return !l.placements || is.AllocModifyIndex == index || linked
}

// listIndex returns the index of a list. Before everything that happened it is 0.
func (m *model) listIndex(l *modelList) uint64 {
	from := max(m.floor, m.restored)
	if all := m.events(l, from); len(all) > 0 {
		return all[len(all)-1].index
	}
	return from
}

// A listText is a ListResult that can be compared.
type listText struct {
	Index   uint64
	Outcome store.Outcome
	Full    bool
	Changed []string
	Gone    []store.Departure
}

// textOf returns the result for comparison. Departures at one index have no order.
func textOf(r store.ListResult) listText {
	w := listText{Index: r.Index, Outcome: r.Outcome, Full: r.Full, Gone: slices.Clone(r.Gone)}
	for _, a := range r.Changed {
		w.Changed = append(w.Changed, text(a))
	}
	sort.SliceStable(w.Gone, func(i, j int) bool {
		return w.Gone[i].Index == w.Gone[j].Index && w.Gone[i].ID < w.Gone[j].ID
	})
	return w
}

// waitList returns the result of a WaitList that begins now, and whether it blocks. If so,
// the result is that of running out of time.
func (m *model) waitList(l *modelList, min uint64) (r store.ListResult, blocks bool) {
	switch {
	case min == 0:
		return m.full(l, store.Changed), false
	case min < m.restored:
		return m.full(l, store.Restored), false
	case min < m.floor:
		return m.full(l, store.Compacted), false
	case m.listIndex(l) <= min:
		return store.ListResult{Index: m.last, Outcome: store.TimedOut}, true
	}
	return m.changes(l, min), false
}

// full returns a result with all members.
func (m *model) full(l *modelList, o store.Outcome) store.ListResult {
	return store.ListResult{Index: max(m.listIndex(l), 1), Outcome: o, Full: true, Changed: l.members(m.contentAt(m.last))}
}

// changes returns a result with what has happened above an index.
func (m *model) changes(l *modelList, above uint64) store.ListResult {
	r := store.ListResult{Outcome: store.Changed}
	latest := map[string]listEvent{}
	for _, e := range m.events(l, above) {
		latest[e.id], r.Index = e, e.index
	}
	content := m.contentAt(m.last)
	for _, id := range slices.Sorted(maps.Keys(latest)) {
		if e := latest[id]; e.alloc != nil {
			r.Changed = append(r.Changed, content[id])
		} else {
			r.Gone = append(r.Gone, store.Departure{ID: id, Index: e.index, Reason: e.reason})
		}
	}
	sort.SliceStable(r.Gone, func(i, j int) bool { return r.Gone[i].Index < r.Gone[j].Index })
	return r
}

// changeText returns a change for comparison.
func changeText(ch store.ListChange) string {
	if ch.Gone != nil {
		return fmt.Sprint(ch.Index, " gone ", *ch.Gone, ch.Alloc, ch.Complete)
	}
	return fmt.Sprint(ch.Index, " ", text(ch.Alloc), ch.Complete)
}

// follow returns the changes that a Follow gives up to the last index.
func (m *model) follow(l *modelList, after uint64) (all []string) {
	if after == 0 {
		for _, a := range l.members(m.contentAt(m.last)) {
			all = append(all, changeText(store.ListChange{Index: a.ModifyIndex, Alloc: a}))
		}
		return append(all, changeText(store.ListChange{Index: m.last, Complete: true}))
	}
	for _, e := range m.events(l, after) {
		ch := store.ListChange{Index: e.index, Alloc: e.alloc}
		if e.alloc == nil {
			ch.Gone = &store.Departure{ID: e.id, Index: e.index, Reason: e.reason}
		}
		all = append(all, changeText(ch))
	}
	return all
}

// byIndex returns the texts of the changes. Those of one index, after the mark, have the order of
// their IDs, as in the model.
func byIndex(all []store.ListChange) (texts []string) {
	after := 0
	for i, ch := range all {
		if ch.Complete {
			after = i + 1
		}
	}
	rest := slices.Clone(all[after:])
	sort.SliceStable(rest, func(i, j int) bool { return rest[i].Index == rest[j].Index && idIn(rest[i]) < idIn(rest[j]) })
	for _, ch := range slices.Concat(all[:after], rest) {
		texts = append(texts, changeText(ch))
	}
	return texts
}

// idIn returns the ID of the allocation in a change.
func idIn(ch store.ListChange) string {
	if ch.Gone != nil {
		return ch.Gone.ID
	}
	return ch.Alloc.ID
}

// requireRefusal requires the refusal that the model has. A conflict is compared as a whole.
func requireRefusal(t *testing.T, want, got error) {
	t.Helper()
	var conflict, is *store.ConflictError
	if !errors.As(want, &conflict) {
		require.ErrorIs(t, got, want)
		return
	}
	require.ErrorAs(t, got, &is)
	require.ErrorIs(t, got, store.ErrConflict)
	require.Equal(t, conflict, is)
}

// expect is a condition that holds or not whatever compaction has forgotten.
func (d dice) expect(m *model) step {
	if d.IntN(4) == 0 {
		return d.expectListAt(d.list(), m.last+d.Uint64N(2)*d.Uint64N(100))
	}
	id, index := d.id(), uint64(0)
	if a := m.current[id]; a != nil && d.IntN(6) > 0 {
		index = a.ModifyIndex
	}
	cased := d.cased(id)
	return step{id: id, kind: "expect", write: func(b *store.Batch) { b.Expect(cased, index) }, condition: func(m *model) error {
		actual := uint64(0)
		if a := m.current[id]; a != nil {
			actual = a.ModifyIndex
		}
		if actual != index {
			return &store.ConflictError{ID: id, Expected: index, Actual: actual}
		}
		return nil
	}}
}

// expectListAt is an ExpectList.
func (d dice) expectListAt(l modelList, index uint64) step {
	return step{
		id: l.sel.String(), kind: "expect list", write: func(b *store.Batch) { b.ExpectList(l.sel, index) },
		condition: func(m *model) error {
			if actual := m.listIndex(&l); actual > index {
				return &store.ConflictError{List: l.sel, Expected: index, Actual: actual}
			}
			return nil
		},
	}
}

// expectList is an ExpectList of a random list at an index about which it may or may not hold.
func (d dice) expectList(m *model) step {
	l := d.list()
	return d.expectListAt(l, d.indexNear(m, &l))
}

// indexNear returns an index above 0, often one at which the list begins or ends to have news.
func (d dice) indexNear(m *model, l *modelList) uint64 {
	index := m.listIndex(l)
	near := []uint64{index, index, index + 1, index - 1, m.last, m.last + 1 + d.Uint64N(9), m.floor, m.floor - 1, m.restored, m.restored - 1}
	if i := near[d.IntN(len(near))]; 0 < i && i < m.last+10 {
		return i
	}
	return 1 + d.Uint64N(m.last)
}

// learn takes over the index up to which the store's lists have forgotten.
func (m *model) learn(t *testing.T, s *store.Store) {
	t.Helper()
	floor := s.ListsFloor()
	require.GreaterOrEqual(t, floor, m.floor, "what is forgotten stays so")
	require.LessOrEqual(t, floor, s.Stats().Floor, "the lists forget what is below the floor")
	m.floor = floor
}

// compareList compares all reads of one list with the model. No wait in it blocks for long.
func compareList(t *testing.T, m *model, s *store.Store, l modelList, d dice) {
	t.Helper()
	m.learn(t, s)
	ctx := context.Background()
	n, err := s.Len(l.sel)
	require.NoError(t, err)
	require.Equal(t, l.count(m.current), n, "Len of %v", l.sel)
	compareMany(t, m.current, s.GetMany, d)
	for _, min := range []uint64{0, d.indexNear(m, &l), d.indexNear(m, &l), 1 + d.Uint64N(m.last)} {
		got, err := s.WaitList(ctx, l.sel, store.QueryOptions{MinQueryIndex: min, MaxQueryTime: 1})
		require.NoError(t, err)
		want, _ := m.waitList(&l, min)
		require.Equal(t, textOf(want), textOf(got), "WaitList of %v above %d, the last index is %d, forgotten up to %d", l.sel, min, m.last, m.floor)
	}
	compareFollow(t, m, s, &l, d.Uint64N(m.last+1))
	compareFollow(t, m, s, &l, m.last+1+d.Uint64N(9))
	for range 4 {
		var b store.Batch
		st := d.expectListAt(l, d.indexNear(m, &l))
		st.write(&b)
		_, err := s.Apply(ctx, &b)
		requireRefusal(t, st.condition(m), err)
	}
	require.Equal(t, m.last, s.LastIndex(), "a batch without a write changes nothing")
}

// compareFollow reads a Follow up to the last index.
func compareFollow(t *testing.T, m *model, s *store.Store, l *modelList, after uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var refused error
	switch {
	case after > m.last:
		refused = store.ErrFutureIndex
	case 0 < after && after < s.Stats().Floor:
		refused = store.ErrCompacted
	}
	want := m.follow(l, after)
	if refused == nil && len(want) == 0 {
		return // it would block
	}
	var got []store.ListChange
	for ch, err := range s.Follow(ctx, l.sel, after) {
		require.ErrorIs(t, err, refused)
		if err != nil {
			return
		}
		if got = append(got, ch); len(got) == len(want) {
			break
		}
	}
	require.Equal(t, want, byIndex(got), "Follow of %v after %d", l.sel, after)
}

// compareMany looks random IDs up at once: some absent, some invalid, some twice.
func compareMany(t *testing.T, content map[string]*schema.Allocation, many func([]string) iter.Seq2[*schema.Allocation, error], d dice) {
	t.Helper()
	var ids, want, got []string
	for range d.IntN(12) {
		id := d.id()
		ids, want = append(ids, d.cased(id)), append(want, text(content[id]))
	}
	if d.IntN(2) == 0 {
		ids, want = append(ids, "web"), append(want, "invalid")
	}
	for a, err := range many(ids) {
		switch {
		case errors.Is(err, store.ErrInvalidID):
			got = append(got, "invalid")
		case err != nil:
			require.ErrorIs(t, err, store.ErrNotFound)
			require.ErrorContains(t, err, strings.ToLower(ids[len(got)]))
			got = append(got, text(nil))
		default:
			got = append(got, text(a))
		}
	}
	require.Equal(t, want, got, "GetMany")
}

// saved is a backup, and the model's content of it.
type saved struct {
	stream  []byte
	current map[string]*schema.Allocation
}

// A listRun is a store beside the model, with readers that stay.
type listRun struct {
	dice
	t         *testing.T
	path      string
	opts      *store.Options
	s         *store.Store
	m         *model
	backup    *saved
	snapshots []*store.Snapshot
	indexes   map[store.Selector]uint64 // the highest index that a reader was told
}

// TestModelOfLists applies random batches, some of them conditional, to a store and to the model. It
// compares lists, waits and streams after it, between restarts, sweeps, rewrites and restores, while
// snapshots are held.
func TestModelOfLists(t *testing.T) {
	t.Parallel()
	forSeeds(t, 12, func(t *testing.T, seed uint64) {
		opts := []*store.Options{{FeedRetention: -1}, {FeedRetention: 20, ResidentBytes: 1}, {FeedRetention: -1, ResidentBytes: 4096}, nil}[seed%4]
		r := &listRun{
			dice: dice{rand.New(rand.NewPCG(seed, 0))}, t: t, path: tempPath(t, "lists.db"), opts: opts,
			m: newModel(), indexes: map[store.Selector]uint64{},
		}
		r.s = open(t, r.path, opts)
		for range 200 {
			r.apply()
			r.maintain()
			r.compare()
		}
		r.release()
	})
}

// apply applies one batch, or several in one commit.
func (r *listRun) apply() {
	n := 1
	if r.IntN(4) == 0 {
		n = 2 + r.IntN(4)
	}
	r.m.learn(r.t, r.s)
	release := r.s.Hold()
	var wg sync.WaitGroup
	got, errs := make([]store.Applied, n), make([]error, n)
	want, refusals := make([]store.Applied, n), make([]error, n)
	for i := range n {
		var b store.Batch
		var steps []step
		for range 1 + r.IntN(1+r.IntN(9)) {
			steps = append(steps, r.step(r.m))
		}
		for range r.IntN(3) {
			steps = append(steps, r.expectList(r.m))
		}
		for _, s := range steps {
			s.write(&b)
		}
		want[i], refusals[i] = r.m.apply(steps)
		wg.Go(func() { got[i], errs[i] = r.s.Apply(context.Background(), &b) })
		for r.s.Queued() <= i { // the next batch queues behind this one
			time.Sleep(time.Microsecond)
		}
	}
	release()
	wg.Wait()
	for i, err := range errs {
		requireRefusal(r.t, refusals[i], err)
	}
	require.Equal(r.t, want, got)
	require.Equal(r.t, r.m.last, r.s.LastIndex())
}

// maintain does at random something that must not show in a list, and now and then restores.
func (r *listRun) maintain() {
	ctx := context.Background()
	switch r.IntN(24) {
	case 0:
		r.release()
		shut(r.t, r.s)
		r.s = open(r.t, r.path, r.opts)
	case 1, 2, 3:
		require.NoError(r.t, r.s.Sweep(ctx))
	case 4:
		require.NoError(r.t, r.s.Compact(ctx))
	case 5, 6:
		sn, err := r.s.Snapshot()
		require.NoError(r.t, err)
		r.snapshots = append(r.snapshots, sn)
	case 7:
		r.release()
	case 8:
		var stream bytes.Buffer
		_, err := r.s.Backup(ctx, &stream)
		require.NoError(r.t, err)
		r.backup = &saved{stream.Bytes(), r.m.current}
	case 9:
		if r.backup != nil && r.IntN(3) == 0 {
			r.restore()
		}
	case 10:
		if r.IntN(3) == 0 {
			r.mark()
		}
	}
}

// restore restores the backup. Snapshots from before end.
func (r *listRun) restore() {
	require.NoError(r.t, r.s.Restore(context.Background(), bytes.NewReader(r.backup.stream)))
	r.endSnapshots()
	r.m.current = r.backup.current
	r.m.mark(r.m.applied + 1)
}

// mark marks a restore between two batches of one commit.
func (r *listRun) mark() {
	r.m.learn(r.t, r.s)
	var entries []store.Entry
	var want []store.Result
	for i := range 3 {
		at := r.m.applied + 1 + r.Uint64N(3)
		if i == 1 {
			r.m.mark(at)
			entries, want = append(entries, store.Entry{Index: at, Mark: true}), append(want, store.Result{Applied: store.Applied{Index: at}})
			continue
		}
		steps := append(r.steps(r.m), r.expectList(r.m))
		entries = append(entries, store.Entry{Index: at, Batch: batchOf(steps)})
		want = append(want, r.m.applyEntry(at, steps))
	}
	got, err := r.s.ApplyEntries(context.Background(), entries)
	require.NoError(r.t, err)
	for i := range want {
		requireResult(r.t, want[i], got[i], "entry %d of %v", i, entries)
	}
	r.endSnapshots()
	require.Equal(r.t, r.m.last, r.s.LastIndex())
}

// endSnapshots requires that the snapshots have ended by a restore.
func (r *listRun) endSnapshots() {
	for _, sn := range r.snapshots {
		l := r.list()
		for _, err := range sn.List(l.sel) {
			require.ErrorIs(r.t, err, store.ErrRestored)
		}
		_, err := sn.Len(l.sel)
		require.ErrorIs(r.t, err, store.ErrRestored)
		require.NoError(r.t, sn.Close())
	}
	r.snapshots = nil
}

// release compares the snapshots and closes them.
func (r *listRun) release() {
	for _, sn := range r.snapshots {
		compareSnapshot(r.t, r.m, sn, r.dice)
		require.NoError(r.t, sn.Close())
	}
	r.snapshots = nil
}

// compare compares random lists. The index of a list never goes back.
func (r *listRun) compare() {
	for range 2 {
		l := r.list()
		compareList(r.t, r.m, r.s, l, r.dice)
		got, err := r.s.WaitList(context.Background(), l.sel, store.QueryOptions{})
		require.NoError(r.t, err)
		require.GreaterOrEqual(r.t, got.Index, max(r.indexes[l.sel], 1), "the index of %v goes back", l.sel)
		r.indexes[l.sel] = got.Index
	}
}
