package main

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// tiny returns flags that run all work as briefly as possible.
func tiny(t *testing.T) config {
	return config{
		n:            2000,
		rounds:       1,
		each:         5 * time.Millisecond,
		writers:      []int{1, 16},
		sizes:        []int{300, 1500},
		curveWriters: []int{2, 8},
		herd:         500,
		only:         regexp.MustCompile(""),
		dir:          t.TempDir(),
	}
}

// TestEverythingRuns runs all work with every peer. The program checks the data that
// it reads back.
func TestEverythingRuns(t *testing.T) {
	cfg := tiny(t)
	cfg.curves = true
	results, _, err := measure(cfg)
	require.NoError(t, err)
	compare(results)

	of := make(map[string][]string)
	for _, r := range results {
		of[r.Work] = append(of[r.Work], r.Peer)
		if r.Count != nil {
			require.Zero(t, *r.Count, "%s/%s", r.Work, r.Peer)
			continue
		}
		require.Positive(t, r.figure(), "%s/%s measured nothing", r.Work, r.Peer)
		require.Positive(t, r.ToOurs, "%s/%s is not compared with ours", r.Work, r.Peer)
	}
	durables := []string{ours, "Pebble", "Badger", "bbolt Update"}
	updaters := append([]string{"Pebble, whole", "bbolt Batch", "bbolt Batch 1ms"}, durables...)
	mixers := []string{ours, "Pebble", "go-memdb"}
	parkers := []string{ours, "go-memdb", "statedb"}
	for work, peers := range map[string][]string{
		"memory/inserted":      {ours, "go-memdb", "statedb", "sync.Map"},
		"memory/opened":        {ours},
		"memory/read once":     {ours},
		"memory/ten events":    parkers,
		"disk":                 durables,
		"lookup":               {ours, "go-memdb", "statedb", "sync.Map", "xsync", "sharded map"},
		"list/node":            parkers,
		"list/job":             parkers,
		"list/all":             parkers,
		"list/prefix":          parkers,
		"getmany":              {ours, eachGet},
		"file":                 {ours, "bbolt Get", "bbolt Get, decode", "Badger Get", "Badger Get, decode"},
		"open":                 {ours, "Pebble", "Badger"},
		"update/writers=1":     updaters,
		"update/writers=16":    updaters,
		"event/writers=1":      {ours, "Pebble"},
		"event/writers=16":     {ours, "Pebble"},
		"place":                {ours, "Pebble", "Pebble, lists", "Badger", "bbolt Update", "go-memdb"},
		"park/bytes each":      parkers,
		"park/of it stacks":    parkers,
		"park/spurious wakes":  parkers,
		"park/write to awake":  parkers,
		"park/answer to awake": parkers,

		"mixed/reads":           mixers,
		"mixed/updates":         mixers,
		"mixed/call to awake":   {ours, "go-memdb"},
		"mixed/answer to awake": {ours, "go-memdb"},
		"mixed/spurious wakes":  {ours, "go-memdb"},

		"heap after open":  {ours},
		"sustained/live":   {ours, "Pebble"},
		"sustained/loaded": {ours, "Pebble"},
		"sustained/peak":   {ours, "Pebble"},
		"sustained/end":    {ours, "Pebble"},

		"curve/update/writers=2":       updaters,
		"curve/update/writers=8":       updaters,
		"curve/lookup/n=300":           {ours, "go-memdb", "statedb", "sync.Map", "xsync"},
		"curve/lookup/n=1500":          {ours, "go-memdb", "statedb", "sync.Map", "xsync"},
		"curve/open/n=1500":            {ours, "Pebble", "Badger"},
		"curve/update/n=1500":          {ours, "Pebble", "Badger"},
		"curve/heap after open/n=1500": {ours},

		"herd/call to last awake":   parkers,
		"herd/answer to last awake": parkers,
		"herd/spurious wakes":       parkers,
	} {
		require.ElementsMatch(t, peers, of[work], "who takes part in %s", work)
	}
	for _, r := range rates {
		if took := of[r.work]; took != nil {
			require.Contains(t, took, r.peer, "the peer of the target for %s takes part", r.work)
		}
	}
}

func TestShape(t *testing.T) {
	d, again := newData(2500), newData(2500)
	require.Equal(t, d.ids, again.ids, "data are of a fixed seed")
	require.Len(t, d.ids, 2500)
	require.Equal(t, 3, d.jobs())

	seen := make(map[string]bool)
	i := 0
	for k := range d.jobs() {
		for _, a := range d.batch(k) {
			require.NoError(t, a.Validate(), "allocations are valid")
			require.Equal(t, d.ids[i], a.ID, "allocation i has ID i")
			require.False(t, seen[a.ID], "IDs are unique")
			require.Equal(t, newJob(i/perJob).ID, a.JobID, "a job has 1,000 allocations")
			seen[a.ID] = true
			i++
		}
	}
	require.Equal(t, 2500, i, "as many allocations as were asked for")
	require.Len(t, d.batch(3), perJob, "there are always more jobs to place")
}

func TestClientUpdate(t *testing.T) {
	for _, events := range []int{updateEvents, schema.MaxTaskEvents} {
		a := clientUpdate(randomID(newData(1).rng(0)), epoch+77, events)
		require.NoError(t, a.ValidateClient(), "updates are valid")
		require.Equal(t, int64(epoch+77), stampOf(a), "an update carries its stamp")
		require.Equal(t, events, a.TaskStates[taskName].Events.Len())
	}
}

// TestPebbleGet checks the bytes, since the mixed load does not decode them.
func TestPebbleGet(t *testing.T) {
	d := newData(10)
	p, err := newPebble(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, p.load(d))
	for _, a := range d.batch(0) {
		var got found
		require.NoError(t, p.get(a.ID, &got))
		require.True(t, got.is(a.ID))
		require.Equal(t, codec.AppendClient(codec.AppendScheduler(nil, a), a), got.raw)
	}
	require.Error(t, p.get(randomID(d.rng(7)), new(found)), "what is not there is not found")
	require.NoError(t, p.close())
}

func TestFlags(t *testing.T) {
	cfg, err := parseFlags([]string{"-writers", "1, 8", "-seconds", "0.5", "-n", "8"})
	require.NoError(t, err)
	require.Equal(t, []int{1, 8}, cfg.writers)
	require.Equal(t, 500*time.Millisecond, cfg.each)

	require.Equal(t, `peers -n 8 -only '^a|b' -out ''`, commandLine([]string{"-n", "8", "-only", "^a|b", "-out", ""}))

	for _, bad := range [][]string{
		{"-writers", "0"}, {"-writers", "x"}, {"-herd", "0"}, {"-n", "3", "-writers", "4"}, {"-rounds", "0"}, {"-seconds", "0"}, {"-only", "("},
		{"-date", "yesterday"}, {"-sizes", "0"}, {"-curves", "-sizes", "10"}, {"-curves", "-n", "256", "-writers", "1"},
	} {
		_, err := parseFlags(bad)
		require.Error(t, err, "%q must be refused", bad)
	}
}
