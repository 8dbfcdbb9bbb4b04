package schema

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rewrite is for writing the golden records instead of comparing with them. Records of a
// released format must never change.
var rewrite = flag.Bool("rewrite", false, "rewrite testdata/golden/*.msgpack")

// tortured is a job whose Config has every kind of free-form value.
func tortured() *Job {
	return &Job{ID: "torture", TaskGroups: []TaskGroup{{Tasks: []Task{{Config: map[string]any{
		"":            nil,
		"bools":       []any{true, false},
		"integers":    []any{int64(0), int64(-1), int64(-32), int64(-33), int64(127), int64(128), int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64)},
		"floats":      []any{0.0, 1.0, -1.5, 1e300},
		"empty list":  []any{},
		"empty map":   map[string]any{},
		"nested":      map[string]any{"b": []any{map[string]any{"c": "d"}}, "a": "ü"},
		"long string": string(make([]byte, 300)),
		"z":           "last",
	}}}}}}
}

// TestGolden compares the encoders with the bytes of the format as it was fixed. It is not
// parallel, so that -rewrite is done before TestGoldenDecodes reads.
func TestGolden(t *testing.T) {
	ten := make([]TaskEvent, MaxTaskEvents+2)
	for i := range ten {
		ten[i] = everyAnnotation()
		ten[i].Time += int64(i)
	}
	later, err := DecodeJSON(fixture(t, "allocation-later.json"))
	require.NoError(t, err)
	for name, src := range map[string][]byte{
		"later":      appendAllocation(nil, later),
		"scheduler":  appendScheduler(nil, documented()),
		"client":     appendClient(nil, documented()),
		"job":        appendJob(nil, documented().Job),
		"allocation": appendAllocation(nil, withEvents(documented(), MaxTaskEvents)),
		"ring":       appendClient(nil, &Allocation{TaskStates: map[string]*TaskState{"task": {Events: ringOf(ten)}}}),
		"config":     appendJob(nil, tortured()),
	} {
		path := filepath.Join("..", "testdata", "golden", name+".msgpack")
		if *rewrite {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, src, 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, src, "%s must be encoded as it always was", name)
	}
}

func TestGoldenDecodes(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		src, err := os.ReadFile(filepath.Join("..", "testdata", "golden", name+".msgpack"))
		require.NoError(t, err)
		return string(src)
	}
	var c Codec
	want, a := documented(), &Allocation{}
	require.NoError(t, c.DecodeScheduler(read("scheduler"), ID{}, a))
	require.NoError(t, c.DecodeClient(read("client"), a))
	job, err := decodeJob(read("job"))
	require.NoError(t, err)
	a.ID, a.CreateIndex, a.ModifyIndex, a.Job = want.ID, want.CreateIndex, want.ModifyIndex, job
	require.Equal(t, want, a, "the documented allocation's parts must decode")

	whole, err := decodeAllocation(read("allocation"))
	require.NoError(t, err)
	require.Equal(t, withEvents(documented(), MaxTaskEvents), whole, "the documented allocation must decode")

	later, err := decodeAllocation(read("later"))
	require.NoError(t, err)
	fromJSON, err := DecodeJSON(fixture(t, "allocation-later.json"))
	require.NoError(t, err)
	require.Equal(t, fromJSON, later, "extra keys must decode")

	require.NoError(t, c.DecodeClient(read("ring"), a))
	events := slices.Collect(a.TaskStates["task"].Events.All())
	require.Len(t, events, MaxTaskEvents)
	last := everyAnnotation()
	last.Time += MaxTaskEvents + 1
	require.Equal(t, last, events[MaxTaskEvents-1], "every annotation must decode")
	require.Equal(t, uint64(2), a.TaskStates["task"].Events.Dropped())

	config, err := decodeJob(read("config"))
	require.NoError(t, err)
	require.Equal(t, tortured(), config, "free-form values must survive")
}
