package schema

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// decodedAnew returns a, decoded from its two parts as the store does.
func decodedAnew(t *testing.T, c *Codec, a *Allocation) *Allocation {
	t.Helper()
	id, err := ParseID(a.ID)
	require.NoError(t, err)
	d := &Allocation{Job: a.Job}
	require.NoError(t, c.DecodeScheduler(string(appendScheduler(nil, a)), id, d))
	require.NoError(t, c.DecodeClient(string(appendClient(nil, a)), d))
	return d
}

// TestFootprint compares the estimate with the growth of the heap.
func TestFootprint(t *testing.T) {
	text, err := os.ReadFile("../testdata/allocation.json")
	require.NoError(t, err)
	sample, err := DecodeJSON(text)
	require.NoError(t, err)
	eventful := sample.Clone()
	for i := range 10 {
		eventful = RecordTaskEvent(eventful, "redis", "running", TaskEvent{Type: TaskStarted, Time: int64(i) << 40}, 0)
	}
	large := sample.Clone()
	for i := range 40 {
		name := strings.Repeat("x", i+1)
		large.TaskResources[name] = cloneResources(large.TaskResources["redis"])
		large.Metrics.Scores[name] = float64(i)
	}
	placed := sample.Clone()
	placed.TaskStates, placed.ClientStatus = nil, ClientStatusPending
	described := sample.Clone()
	described.DesiredDescription, described.ClientDescription = strings.Repeat("because ", 20), strings.Repeat("of ", 50)
	described.TaskResources["redis"], described.ClientStatus = nil, "another"
	extra := sample.Clone()
	extra.Extra = map[string]json.RawMessage{"Namespace": json.RawMessage(`"default"`), "AllocatedResources": json.RawMessage("[" + strings.Repeat("1,", 200) + "2]")}
	extra.ClientExtra = map[string]json.RawMessage{"NetworkStatus": json.RawMessage(`{"Address":"172.26.64.14"}`)}
	extra.Resources.Networks[0].DynamicPorts[0].Extra = map[string]json.RawMessage{"To": json.RawMessage("8080")}
	var c Codec
	for name, a := range map[string]*Allocation{"documented": sample, "as placed": placed, "ten events": eventful,
		"large": large, "described": described, "extra": extra, "empty": {ID: sample.ID}} {
		decodedAnew(t, &c, a)
		const n = 2000
		all := make([]*Allocation, n)
		before := heapInUse()
		for i := range all {
			all[i] = decodedAnew(t, &c, a)
		}
		held := float64(heapInUse()-before) / n
		require.InEpsilon(t, held, c.Footprint(all[0]), 0.1, "%s: the heap grew by %.0f bytes each", name, held)
		require.Equal(t, c.Footprint(all[0]), c.Footprint(all[n-1]))
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
