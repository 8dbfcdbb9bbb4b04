package store_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A listWaiting is a WaitList in the background.
type listWaiting struct {
	list   modelList
	min    uint64
	result store.ListResult
	err    error
	done   chan struct{}
}

// waitList starts a WaitList.
func waitList(ctx context.Context, s *store.Store, l modelList, opts store.QueryOptions) *listWaiting {
	w := &listWaiting{list: l, min: opts.MinQueryIndex, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.result, w.err = s.WaitList(ctx, l.sel, opts)
	}()
	return w
}

// blocks reports whether the wait goes on.
func (w *listWaiting) blocks() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// blocked fails the test if the wait has returned.
func (w *listWaiting) blocked(t *testing.T, why string) {
	t.Helper()
	if !w.blocks() {
		require.Fail(t, "the wait returned", "%s: for %v above %d: %+v, %v", why, w.list.sel, w.min, w.result, w.err)
	}
}

// returned returns the result of a wait that must have returned.
func (w *listWaiting) returned(t *testing.T) store.ListResult {
	t.Helper()
	require.False(t, w.blocks(), "the wait for %v above %d did not return", w.list.sel, w.min)
	require.NoError(t, w.err)
	return w.result
}

// A readerRun has readers that are blocked on random lists, and the model, which knows which of
// them a batch wakes.
type readerRun struct {
	dice
	t       *testing.T
	s       *store.Store
	m       *model
	readers []*listWaiting
}

// TestBlockedListReaders applies random batches. Each wakes exactly the readers whose list it moved,
// and their results have everything since they began, whatever was swept meanwhile.
func TestBlockedListReaders(t *testing.T) {
	t.Parallel()
	forSeeds(t, 6, func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			r := &readerRun{dice: dice{rand.New(rand.NewPCG(seed, 0))}, t: t, m: newModel(), readers: make([]*listWaiting, 24)}
			r.s = openToClose(t, tempPath(t, "readers.db"), &store.Options{FeedRetention: -1})
			r.begin(t.Context())
			for round := range 120 {
				r.write()
				if r.IntN(3) == 0 {
					require.NoError(t, r.s.Sweep(t.Context()))
				}
				r.begin(t.Context())
				if round%40 == 39 {
					r.restore()
					r.begin(t.Context())
				}
			}
			r.end()
		})
	})
}

// begin has every reader without a wait begin one, which blocks.
func (r *readerRun) begin(ctx context.Context) {
	r.m.learn(r.t, r.s)
	for i, w := range r.readers {
		if w != nil {
			continue
		}
		l := r.list()
		min := r.m.last + r.Uint64N(2)*r.Uint64N(5)
		if index := r.m.listIndex(&l); index > 0 && r.IntN(2) == 0 {
			min = index
		}
		r.readers[i] = waitList(ctx, r.s, l, store.QueryOptions{MinQueryIndex: min, MaxQueryTime: store.LongestMaxQueryTime})
	}
	for _, w := range r.readers {
		w.blocked(r.t, "nothing has happened")
	}
}

// write applies a random batch, and checks which readers return.
func (r *readerRun) write() {
	var b store.Batch
	var steps []step
	for range 1 + r.IntN(1+r.IntN(5)) {
		steps = append(steps, r.step(r.m))
	}
	for _, s := range steps {
		s.write(&b)
	}
	want, refusal := r.m.apply(steps)
	got, err := r.s.Apply(r.t.Context(), &b)
	requireRefusal(r.t, refusal, err)
	require.Equal(r.t, want, got)
	for i, w := range r.readers {
		changes := r.m.changes(&w.list, w.min)
		if changes.Index == 0 {
			w.blocked(r.t, fmt.Sprint("another list was written: ", kinds(steps)))
			continue
		}
		require.Equal(r.t, textOf(changes), textOf(w.returned(r.t)), "%v above %d at %d", w.list.sel, w.min, r.m.last)
		r.readers[i] = nil
	}
}

// restore restores the present content, or marks a restore. Every reader is told once, with all
// members.
func (r *readerRun) restore() {
	m := r.m
	if r.IntN(2) == 0 {
		m.mark(m.applied + 1)
		_, err := r.s.ApplyEntries(r.t.Context(), []store.Entry{{Index: m.last, Mark: true}})
		require.NoError(r.t, err)
	} else {
		var stream bytes.Buffer
		_, err := r.s.Backup(r.t.Context(), &stream)
		require.NoError(r.t, err)
		require.NoError(r.t, r.s.Restore(r.t.Context(), &stream))
		m.mark(m.applied + 1)
	}
	r.m.learn(r.t, r.s)
	for i, w := range r.readers {
		require.Equal(r.t, textOf(m.full(&w.list, store.Restored)), textOf(w.returned(r.t)), "a restore ends every wait")
		if w.min < m.restored {
			again, err := r.s.WaitList(r.t.Context(), w.list.sel, store.QueryOptions{MinQueryIndex: w.min})
			require.NoError(r.t, err)
			require.Equal(r.t, textOf(w.result), textOf(again), "a reader that was between two waits is told too")
		}
		r.readers[i] = nil
	}
}

// end has the readers run out of time.
func (r *readerRun) end() {
	time.Sleep(store.LongestMaxQueryTime + store.LongestMaxQueryTime/16)
	for _, w := range r.readers {
		require.Equal(r.t, store.ListResult{Index: r.m.last, Outcome: store.TimedOut}, w.returned(r.t), "running out of time")
	}
	require.Zero(r.t, r.s.Stats().Waiters, "a wait leaves no registration behind")
	shut(r.t, r.s)
}

// listBubble runs fn under synctest with a store of its own, which keeps no changes.
func listBubble(t *testing.T, fn func(t *testing.T, s *store.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := openToClose(t, tempPath(t, "wait.db"), &store.Options{FeedRetention: -1})
		fn(t, s)
		require.Zero(t, s.Stats().Waiters, "a wait leaves no registration behind")
		shut(t, s)
	})
}

// listsOf returns every list that has the allocation, in the four variants: its node, job and
// evaluation, everything, and prefixes of all lengths.
func listsOf(a *schema.Allocation) (all []modelList) {
	selectors := []store.Selector{store.Node(a.NodeID), store.Job(a.JobID), store.Eval(a.EvalID), store.Everything()}
	for n := range len(a.ID) + 1 {
		selectors = append(selectors, store.Prefix(a.ID[:n]))
	}
	for i, sel := range selectors {
		for v := range 4 {
			all = append(all, modelList{sel: sel, exact: i >= 4+len(a.ID)}.variant(v&1 != 0, v&2 != 0))
		}
	}
	return all
}

// TestWaitListWakesForItsList writes what concerns some variants of the lists of an allocation and
// not others.
func TestWaitListWakesForItsList(t *testing.T) {
	t.Parallel()
	all := func(modelList) bool { return true }
	never := func(modelList) bool { return false }
	status := func(status string) func(*testing.T, *store.Store) {
		return func(t *testing.T, s *store.Store) {
			_, err := s.SetClientStatus(t.Context(), idOf(1), status, "")
			require.NoError(t, err)
		}
	}
	live := status("running")
	steps := []struct {
		name  string
		write func(*testing.T, *store.Store)
		wakes func(modelList) bool
	}{
		{"a placement elsewhere", func(t *testing.T, s *store.Store) {
			a := placed(0)
			a.ID, a.JobID, a.EvalID = "f0000000-0000-4000-8000-000000000000", "other", "other"
			upsert(t, s, a)
		}, func(l modelList) bool { return strip(l) == store.Everything() }},
		{"a client's report", live, func(l modelList) bool { return !l.placements }},
		{"the same report", live, never},
		{"the scheduler's write", func(t *testing.T, s *store.Store) { upsert(t, s, changedName(1)) }, all},
		{"the client ends it", status("failed"), func(l modelList) bool { return l.nonTerminal || !l.placements }},
		{"it ends in another way", status("complete"), func(l modelList) bool { return !l.nonTerminal && !l.placements }},
		{"the scheduler changes what has ended", func(t *testing.T, s *store.Store) { upsert(t, s, placed(1)) }, func(l modelList) bool { return !l.nonTerminal }},
		{"the client revives it", live, func(l modelList) bool { return l.nonTerminal || !l.placements }},
		{"it has a successor", func(t *testing.T, s *store.Store) {
			a := placed(2)
			a.ID, a.JobID, a.EvalID, a.PreviousAllocation = "f0000000-0000-4000-8000-000000000001", "other", "other", idOf(1)
			upsert(t, s, a)
		}, all},
		{"it is deleted", func(t *testing.T, s *store.Store) { remove(t, s, idOf(1)) }, all},
		{"it is placed again", func(t *testing.T, s *store.Store) { upsert(t, s, placed(1)) }, all},
	}
	listBubble(t, func(t *testing.T, s *store.Store) {
		upsert(t, s, placed(1))
		for _, step := range steps {
			var waits []*listWaiting
			ctx, cancel := context.WithCancel(t.Context())
			for _, l := range listsOf(placed(1)) {
				waits = append(waits, waitList(ctx, s, l, store.QueryOptions{MinQueryIndex: s.LastIndex()}))
			}
			synctest.Wait()
			step.write(t, s)
			for _, w := range waits {
				if !step.wakes(w.list) {
					w.blocked(t, step.name)
				} else if r := w.returned(t); r.Index != s.LastIndex() || r.Outcome != store.Changed || len(r.Changed)+len(r.Gone) != 1 && strip(w.list) != store.Everything() {
					require.Fail(t, step.name, "%v returned %+v", w.list.sel, r)
				}
			}
			cancel()
			for _, w := range waits {
				if <-w.done; !step.wakes(w.list) {
					require.ErrorIs(t, w.err, context.Canceled)
				}
			}
		}
	})
}

// strip returns the selector of a list without its variants. Only that of everything is known.
func strip(l modelList) store.Selector {
	if (modelList{sel: store.Everything()}).variant(l.nonTerminal, l.placements).sel == l.sel {
		return store.Everything()
	}
	return store.Selector{}
}

// TestFloorRisesWhileListReaderBlocks has a departure and a return before the wait, one after, and
// sweeps that forget everything between.
func TestFloorRisesWhileListReaderBlocks(t *testing.T) {
	t.Parallel()
	listBubble(t, func(t *testing.T, s *store.Store) {
		node := modelList{sel: store.Node("node1")}
		index := upsert(t, s, placed(1))
		reader := waitList(t.Context(), s, node, store.QueryOptions{MinQueryIndex: index})
		for n := range 20 {
			upsert(t, s, placed(2))
			remove(t, s, idOf(2))
			if n%2 == 0 {
				require.NoError(t, s.Sweep(t.Context()))
			} else {
				require.NoError(t, s.Compact(t.Context()))
			}
			reader.blocked(t, "another node's allocation is placed and deleted, and the floor rises")
		}
		require.Greater(t, s.ListsFloor(), index)
		late, err := s.WaitList(t.Context(), node.sel, store.QueryOptions{MinQueryIndex: index})
		require.NoError(t, err)
		require.Equal(t, store.ListResult{Index: s.ListsFloor(), Outcome: store.Compacted, Full: true, Changed: []*schema.Allocation{mustGet(t, s, 1)}}, late,
			"a wait that begins below the floor")
		gone := remove(t, s, idOf(1))
		want := store.ListResult{Index: gone, Outcome: store.Changed, Gone: []store.Departure{{ID: idOf(1), Index: gone, Reason: store.Removed}}}
		require.Equal(t, want, reader.returned(t), "no departure is lost")
	})
}

// TestWaitListEnds ends waits by time, by their context, by Close and by a failure.
func TestWaitListEnds(t *testing.T) {
	t.Parallel()
	node := modelList{sel: store.Node("node1")}
	listBubble(t, func(t *testing.T, s *store.Store) {
		index := upsert(t, s, placed(1))
		future := waitList(t.Context(), s, node, store.QueryOptions{MinQueryIndex: index + 2})
		short := waitList(t.Context(), s, node, store.QueryOptions{MinQueryIndex: index, MaxQueryTime: time.Second})
		last := upsert(t, s, placed(2))
		time.Sleep(time.Second + time.Second/16)
		require.Equal(t, store.ListResult{Index: last, Outcome: store.TimedOut}, short.returned(t))
		upsert(t, s, changedName(1))
		future.blocked(t, "the list's index has reached the one given, and is not above it")
		last = updateClient(t, s, &schema.Allocation{ID: idOf(1), ClientStatus: "running"})
		r := future.returned(t)
		require.Equal(t, store.ListResult{Index: last, Outcome: store.Changed, Changed: []*schema.Allocation{mustGet(t, s, 1)}}, r)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := waitList(ctx, s, node, store.QueryOptions{MinQueryIndex: last})
		ended.blocked(t, "nothing has changed")
		time.Sleep(time.Second)
		require.False(t, ended.blocks(), "ctx ends a wait at once")
		require.ErrorIs(t, ended.err, context.DeadlineExceeded)
		require.Equal(t, store.ListResult{}, ended.result)

		closed := waitList(t.Context(), s, node, store.QueryOptions{MinQueryIndex: last})
		closed.blocked(t, "nothing has changed")
		require.NoError(t, s.Close())
		require.False(t, closed.blocks(), "Close ends a wait")
		require.ErrorIs(t, closed.err, store.ErrClosed)
		_, err := s.WaitList(t.Context(), node.sel, store.QueryOptions{})
		require.ErrorIs(t, err, store.ErrClosed)
		_, err = s.Len(node.sel)
		require.ErrorIs(t, err, store.ErrClosed)
	})
}

// TestHerdOfListReaders has a reader blocked on each node. A batch wakes those of its nodes, and
// no other.
func TestHerdOfListReaders(t *testing.T) {
	t.Parallel()
	const nodes, placements = 2000, 150
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(tempPath(t, "herd.db"), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var waits []*listWaiting
		for n := range nodes {
			l := modelList{sel: store.Node(fmt.Sprint("node", n))}.variant(n&1 != 0, n&2 != 0)
			waits = append(waits, waitList(ctx, s, l, store.QueryOptions{MinQueryIndex: 1}))
		}
		synctest.Wait()
		require.Equal(t, nodes, s.Stats().Waiters)
		var b store.Batch
		touched := rand.Perm(nodes)[:placements]
		for _, n := range touched {
			b.Upsert(placed(n))
		}
		index := apply(t, s, &b)
		synctest.Wait()
		require.Equal(t, nodes-placements, s.Stats().Waiters, "the others are registered still")
		for _, n := range touched {
			require.Equal(t, store.ListResult{Index: index, Outcome: store.Changed, Changed: []*schema.Allocation{mustGet(t, s, n)}}, waits[n].returned(t))
		}
		for n, w := range waits {
			if !slices.Contains(touched, n) {
				w.blocked(t, "a batch of other nodes")
			}
		}
		cancel()
		synctest.Wait()
		require.Zero(t, s.Stats().Waiters)
		shut(t, s)
	})
}
