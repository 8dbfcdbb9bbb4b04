package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRun is the main job at a small size; it checks its own results.
func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	args := []string{"-allocs", "2500", "-readers", "250", "-writers", "16", "-sample", "../testdata/allocation.json", "-dir", t.TempDir(), "-json"}
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	require.Equal(t, 2500, r.VerifiedAllocs)
	require.Equal(t, 2500*(1+len(life))+250, r.VerifiedFeed)
	require.NoError(t, r.print(&out))
	require.Contains(t, out.String(), "client updates")
}

func TestRunRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-allocs", "5"}, {"-readers", "-1"}, {"-allocs", "100", "-readers", "101"}, {"-writers", "0"}, {"extra"},
		{"-sample", "no such file"}, {"-sample", "../testdata/allocation-as-printed.json"},
	} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), "%v", args)
	}
}

// TestPlayFindsDifferences breaks what the run knows, and expects it to say so.
func TestPlayFindsDifferences(t *testing.T) {
	t.Parallel()
	small := config{allocs: 50, readers: 5, writers: 2, sample: "../testdata/allocation.json"}
	for name, spoil := range map[string]func(*player){
		"an index":       func(p *player) { p.last[1]++ },
		"a deletion":     func(p *player) { p.deleted[0]++ },
		"an insert":      func(p *player) { p.created[1]-- },
		"an ID":          func(p *player) { p.ids[1] = p.ids[2] },
		"the last index": func(p *player) { p.LastIndex++ },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := newFleet(small)
			require.NoError(t, err)
			p := newPlayer(f, t.TempDir(), new(progress))
			require.NoError(t, p.open())
			require.NoError(t, p.live(t.Context(), 0))
			require.NoError(t, p.close())
			spoil(p)
			require.NoError(t, p.open())
			require.Error(t, p.check(t.Context()), "spoilt: %s", name)
			require.NoError(t, p.s.Close())
		})
	}
}
