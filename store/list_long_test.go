package store_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// longList fills a store and a model with members enough for a list to be searched in the log. No
// step writes them.
func longList(t *testing.T, s *store.Store) *model {
	t.Helper()
	const fillers = 1200
	var b store.Batch
	for i := range fillers {
		a := placed(i)
		a.NodeID, a.JobID, a.EvalID = "node1", "a", "e1"
		b.Upsert(a)
	}
	m, long := newModel(), map[string]*schema.Allocation{}
	m.last = apply(t, s, &b)
	m.applied = m.last
	for a, err := range s.All() {
		require.NoError(t, err)
		long[a.ID] = a
	}
	m.fillers, m.current, m.at[m.last] = long, long, long
	m.order, m.changed[m.last] = append(m.order, m.last), slices.Sorted(maps.Keys(long))
	return m
}

// write applies random steps to the store and to the model.
func (d dice) write(t *testing.T, m *model, s *store.Store) {
	t.Helper()
	var b store.Batch
	var steps []step
	for range 1 + d.IntN(4) {
		steps = append(steps, d.step(m))
	}
	for _, st := range steps {
		st.write(&b)
	}
	want, refusal := m.apply(steps)
	got, err := s.Apply(t.Context(), &b)
	requireRefusal(t, refusal, err)
	require.Equal(t, want, got)
}

// TestLongList has a list that is long enough to be searched in the log, and compares waits for it
// with the model while few members change.
func TestLongList(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	s := open(t, tempPath(t, "long.db"), &store.Options{FeedRetention: 200})
	m := longList(t, s)
	for range 100 {
		d.write(t, m, s)
		if d.IntN(10) == 0 {
			require.NoError(t, s.Sweep(t.Context()))
		}
		m.learn(t, s)
		l := d.list()
		min := max(m.last-min(m.last, d.Uint64N(20)), m.floor, 2)
		result, err := waitNow(t, s, l.sel, min)
		require.NoError(t, err)
		wanted, _ := m.waitList(&l, min)
		require.Equal(t, textOf(wanted), textOf(result), "%v above %d", l.sel, min)
	}
}

// TestListReadersBesideAWriter has readers wait for lists while they are written. Afterwards every
// result is compared with the model as of the result's index.
func TestListReadersBesideAWriter(t *testing.T) {
	t.Parallel()
	const readers, batches = 6, 400
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := open(t, tempPath(t, "beside.db"), &store.Options{ResidentBytes: int64(seed % 2)})
	m := longList(t, s)
	begin := m.last
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	waits := make([][]listWaiting, readers)
	for g := range readers {
		d := dice{rand.New(rand.NewPCG(seed, uint64(g)+1))}
		wg.Go(func() {
			w := listWaiting{list: d.list(), min: begin}
			for {
				w.result, w.err = s.WaitList(ctx, w.list.sel, store.QueryOptions{MinQueryIndex: w.min})
				if ctx.Err() != nil {
					return
				}
				if waits[g] = append(waits[g], w); w.err != nil {
					return
				}
				if w.min = w.result.Index; d.IntN(4) == 0 { // another reader, which has been away
					w.list, w.min = d.list(), begin+d.Uint64N(w.min-begin+1)
				}
			}
		})
	}
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	for range batches {
		d.write(t, m, s)
	}
	stop()
	wg.Wait()
	for _, w := range slices.Concat(waits...) {
		require.NoError(t, w.err)
		want, got := m.asOf(w.result.Index).changes(&w.list, w.min), w.result
		if w.list.placements { // a client may have reported above the list's index
			require.Equal(t, idsOf(want.Changed), idsOf(got.Changed), "%v above %d", w.list.sel, w.min)
			want.Changed, got.Changed = nil, nil
		}
		require.Equal(t, textOf(want), textOf(got), "%v above %d", w.list.sel, w.min)
	}
}

// TestNonTerminalTouchesNoOthers lists the 20 live allocations of a node that has collected 10,000 terminal ones, in a
// store that has decoded nothing. Only the 20 are decoded.
func TestNonTerminalTouchesNoOthers(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "ended.db")
	s := openToClose(t, path, nil)
	const ended, live = 10_000, 20
	var b store.Batch
	for n := range ended + live {
		a := placed(n)
		a.NodeID = "node"
		if n >= live {
			a.ClientStatus = schema.ClientStatusComplete
		}
		b.Upsert(a)
	}
	_, err := s.Apply(t.Context(), &b)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = open(t, path, &store.Options{})
	found := 0
	for _, err := range s.List(store.Node("node").NonTerminal()) {
		require.NoError(t, err)
		found++
	}
	require.Equal(t, live, found)
	require.EqualValues(t, live, s.Stats().Misses, "allocations that were decoded")
	n, err := s.Len(store.Node("node").NonTerminal())
	require.NoError(t, err)
	require.Equal(t, live, n)
	r, err := s.WaitList(t.Context(), store.Node("node").NonTerminal(), store.QueryOptions{})
	require.NoError(t, err)
	require.Len(t, r.Changed, live)
	require.EqualValues(t, live, s.Stats().Misses, "a wait decodes no others either")
}
