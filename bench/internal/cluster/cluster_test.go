package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// opened returns a cluster that has not run, and an empty store.
func opened(t *testing.T, c Config) (*Cluster, *store.Store) {
	t.Helper()
	c.Sample, c.Seed = "../../../testdata/allocation.json", 1
	cl, err := New(c)
	require.NoError(t, err)
	s, err := store.Open(filepath.Join(t.TempDir(), "cluster.db"), nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		for err := range s.Check(context.Background()) {
			require.NoError(t, err)
		}
		require.NoError(t, s.Close())
	})
	return cl, s
}

// TestRun has few nodes, so that schedulers conflict and wait for room.
func TestRun(t *testing.T) {
	t.Parallel()
	c, s := opened(t, Config{Nodes: 16, Allocs: 500, Schedulers: 8})
	r, err := c.Run(t.Context(), s)
	require.NoError(t, err)
	require.NoError(t, c.Check(t.Context(), s))
	require.Equal(t, 500, c.Placed())
	require.Equal(t, 100, r.Batches)
	require.Equal(t, 100, r.Placed.Len())
	require.Positive(t, r.Conflicts)
	require.Equal(t, c.Alive(), s.Stats().Allocations)
	require.EqualValues(t, c.Changes(), s.Stats().Writes)
	require.Less(t, c.Alive(), 500, "some are deleted")
}

// TestCheckFindsDifferences falsifies a sighting or an expected value. The check must then
// fail.
func TestCheckFindsDifferences(t *testing.T) {
	t.Parallel()
	c, s := opened(t, Config{Nodes: 8, Allocs: 400, Schedulers: 2})
	_, err := c.Run(t.Context(), s)
	require.NoError(t, err)
	for name, spoil := range map[string]func(a *agent){
		"a sighting is missing":         func(a *agent) { a.sightings = a.sightings[:len(a.sightings)-1] },
		"a sighting comes twice":        func(a *agent) { a.sightings = append(a.sightings, a.sightings[len(a.sightings)-1]) },
		"a placement is not seen":       func(a *agent) { a.forget(a.sightings[0].alloc) },
		"another index":                 func(a *agent) { a.sightings[0].counted++ },
		"another version":               func(a *agent) { a.member().modified-- },
		"another status":                func(a *agent) { a.member().desired = schema.DesiredStatusEvict },
		"a departure without a reason":  func(a *agent) { a.departed().reason = 0 },
		"a departure of another reason": func(a *agent) { a.departed().reason = store.Moved },
		"below the index of the wait":   func(a *agent) { a.sightings[0].resultFrom = a.sightings[0].counted },
		"of another node":               func(a *agent) { a.sightings[0].alloc = c.elsewhere(a.node) },
	} {
		for _, a := range c.agents[:4] { // one of each variant
			saw := slices.Clone(a.sightings)
			spoil(a)
			require.Error(t, c.Check(t.Context(), s), "%s, %v", name, a.sel)
			a.sightings = saw
		}
	}
	require.NoError(t, c.Check(t.Context(), s))
	stream := c.collector.stream
	for name, spoilt := range map[string][]entry{
		"a change is missing":  stream[1:],
		"a change comes twice": append(slices.Clone(stream), stream[len(stream)-1]),
		"an index goes back":   append(slices.Clone(stream[1:]), stream[0]),
	} {
		c.collector.stream = spoilt
		require.ErrorContains(t, c.Check(t.Context(), s), "follow", name)
	}
	c.collector.stream = stream
	_, err = s.Delete(t.Context(), c.fleet.ID(7))
	require.NoError(t, err)
	require.ErrorIs(t, c.Check(t.Context(), s), store.ErrNotFound, "an allocation is lost")
}

// forget removes the sightings of an allocation.
func (a *agent) forget(i int) {
	a.sightings = slices.DeleteFunc(a.sightings, func(s sighting) bool { return s.alloc == i })
}

// departed returns the agent's first sighting of a departure.
func (a *agent) departed() *sighting {
	return &a.sightings[slices.IndexFunc(a.sightings, func(s sighting) bool { return s.reason != 0 })]
}

// member returns the agent's first sighting of a member.
func (a *agent) member() *sighting {
	return &a.sightings[slices.IndexFunc(a.sightings, func(s sighting) bool { return s.reason == 0 })]
}

// elsewhere returns an allocation that is on another node.
func (c *Cluster) elsewhere(node int) int {
	return slices.IndexFunc(c.facts, func(f facts) bool { return f.node != node })
}

// TestHandleRefuses gives agents results that no wait may have.
func TestHandleRefuses(t *testing.T) {
	t.Parallel()
	c, s := opened(t, Config{Nodes: 1, Allocs: 1, Schedulers: 1})
	a := newAgent(c, s, 0)
	other := c.alloc(0, 1)
	for name, r := range map[string]store.ListResult{
		"nothing":                {Index: 6, Outcome: store.Changed},
		"an index that stays":    {Index: 5, Outcome: store.Changed, Changed: []*schema.Allocation{c.alloc(0, 0)}},
		"all of it":              {Index: 6, Outcome: store.Changed, Full: true},
		"another outcome":        {Index: 6, Outcome: store.Compacted, Full: true},
		"more than the time":     {Index: 6, Outcome: store.TimedOut, Gone: []store.Departure{{}}},
		"an unknown departure":   {Index: 6, Outcome: store.Changed, Gone: []store.Departure{{ID: other.NodeID}}},
		"one from another node":  {Index: 6, Outcome: store.Changed, Changed: []*schema.Allocation{other}},
		"one of another cluster": {Index: 6, Outcome: store.Changed, Changed: []*schema.Allocation{{ID: other.NodeID, NodeID: a.id}}},
	} {
		require.Error(t, a.handle(t.Context(), 5, &r), name)
	}
	require.NoError(t, a.handle(t.Context(), 5, &store.ListResult{Index: 6, Outcome: store.TimedOut}))
}

func TestFill(t *testing.T) {
	t.Parallel()
	for _, locked := range []bool{false, true} {
		c, s := opened(t, Config{Nodes: 10, Allocs: 10 * Slots, Schedulers: 8})
		f, err := c.Fill(t.Context(), s, locked)
		require.NoError(t, err, "locked: %v", locked)
		require.Equal(t, locked, f.Conflicts == 0, "locked: %v, %d conflicts", locked, f.Conflicts)
	}
}

// TestFillFindsOverfullNodes places without conditions and without a lock.
func TestFillFindsOverfullNodes(t *testing.T) {
	t.Parallel()
	c, s := opened(t, Config{Nodes: 1, Allocs: Slots + 1, Schedulers: 1})
	sc := newScheduler(c, s, 0)
	for i := range Slots {
		_, err := sc.place(t.Context(), []int{i}, true)
		require.NoError(t, err)
	}
	require.ErrorContains(t, c.checkFilled(s), fmt.Sprint(Slots, " allocations are placed"))
	_, err := sc.place(t.Context(), []int{Slots}, true)
	require.ErrorIs(t, err, errNoRoom)
	_, err = s.Upsert(t.Context(), c.alloc(Slots, 0))
	require.NoError(t, err)
	require.ErrorContains(t, c.checkFilled(s), "MHz of")
}
