package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// TestRun runs the whole program at a small size. The program checks its own results.
func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	args := []string{"-allocs", "2500", "-readers", "250", "-writers", "16", "-nodes", "25", "-schedulers", "4", "-sample", "../testdata/allocation.json", "-dir", t.TempDir(), "-json"}
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	var r report.Report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	for name, operations := range map[string]int{
		"place, in batches of 1,000": 2500, "park readers": 250, "client updates, readers parked": 2500,
		"readers woken, since the write": 250, "client updates": 2500 * 13, "delete, in batches of 1,000": 250,
		"get from the file and verify": 2500, "get many, resident": 50_000, "list nodes, resident": 50_000,
		"place on conditions, agents waiting": 500,
	} {
		require.Equal(t, operations, r.Phase(name).Operations, name)
	}
	require.Greater(t, r.Phase("replay the feed").Operations, 2500*15+250+3*500/2, "the schedulers' and agents' changes too")
	for _, f := range r.Figures {
		require.Positive(t, f.Value, f.Name)
	}
	require.NoError(t, r.Text(&out))
	require.Contains(t, out.String(), "heap per allocation")
}

func TestRunRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-allocs", "5"}, {"-readers", "-1"}, {"-allocs", "100", "-readers", "101"}, {"-writers", "0"}, {"-nodes", "0"}, {"-schedulers", "0"}, {"extra"},
		{"-sample", "no such file"}, {"-sample", "../testdata/allocation-as-printed.json"},
	} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), "%v", args)
	}
}

// opened returns a player of 50 allocations whose store is open and empty.
func opened(t *testing.T) *player {
	t.Helper()
	p, err := newPlayer(config{allocs: 50, readers: 5, writers: 2, nodes: 4, schedulers: 2, Flags: program.Flags{Sample: "../testdata/allocation.json"}}, t.TempDir(), new(progress))
	require.NoError(t, err)
	require.NoError(t, p.open())
	t.Cleanup(func() {
		for err := range p.s.Check(context.Background()) {
			require.NoError(t, err)
		}
		require.NoError(t, p.s.Close())
	})
	return p
}

// TestPlayFindsDifferences falsifies a value that the player expects. The check must then fail.
func TestPlayFindsDifferences(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*player){
		"an index":       func(p *player) { p.last[1]++ },
		"a deletion":     func(p *player) { p.deleted[0]++ },
		"an insert":      func(p *player) { p.created[0]-- },
		"an ID":          func(p *player) { p.ids[1] = p.ids[2] },
		"the last index": func(p *player) { p.lastIndex++ },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := opened(t)
			require.NoError(t, p.live(t.Context(), 0))
			require.NoError(t, p.close())
			require.NoError(t, p.open())
			require.NoError(t, p.check(t.Context()))
			spoil(p)
			require.Error(t, p.check(t.Context()), "spoilt: %s", name)
		})
	}
}

// TestReplayFindsGaps lets the store skip an index, and then write fewer changes than the player expects.
func TestReplayFindsGaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		index uint64
		want  string
	}{
		"a gap":   {4, "index 4 where one at 3 comes next"},
		"too few": {3, "the feed has 51 changes"},
	} {
		p := opened(t)
		require.NoError(t, p.place(t.Context()))
		var b store.Batch
		b.Delete(p.ids[7])
		_, err := p.s.ApplyAt(t.Context(), c.index, &b)
		require.NoError(t, err)
		p.lastIndex = c.index
		require.ErrorContains(t, p.replay(t.Context()), c.want, name)
	}
}
