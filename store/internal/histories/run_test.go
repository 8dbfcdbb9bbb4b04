package histories

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// number returns the value of an environment variable, or other if it is not set.
func number(t *testing.T, name string, other uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return other
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// smallRuns is the default number of children. A place for each mutation takes at least two
// killed ones.
const smallRuns = 5

// TestHistory records a history with kills in it, and checks it. At the small size it also
// checks the checkers.
func TestHistory(t *testing.T) {
	runs, seed := number(t, "HISTORIES_RUNS", smallRuns), number(t, "HISTORIES_SEED", rand.Uint64())
	t.Logf("HISTORIES_RUNS=%d HISTORIES_SEED=%d", runs, seed)
	calls := record(t, t.TempDir(), int(runs), seed, ofAllocations)
	o, faults := checkOrder(calls)
	for _, f := range faults {
		t.Error(f)
	}
	t.Logf("%d calls, %d batches, of which %d were in flight at a kill", len(calls), len(o.batches), o.unanswered())
	t.Logf("waits: %v", o.count)
	v := checkLinear(calls, 0, int(runs))
	require.Empty(t, v.faults)
	require.Less(t, v.unknown, 1+v.legal/10, "searches that found nothing in time")
	t.Logf("%d allocations and runs are linearizable, %d took too long to tell", v.legal, v.unknown)
	t.Logf("%d snapshots are older than an earlier read of another client", o.unseen)
	if !t.Failed() && runs <= smallRuns {
		t.Run("tester", func(t *testing.T) { testMutations(t, o, calls, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// unanswered returns the number of batches that took effect without a reply.
func (o *order) unanswered() (n int) {
	for _, b := range o.batches {
		if !b.answered {
			n++
		}
	}
	return n
}
