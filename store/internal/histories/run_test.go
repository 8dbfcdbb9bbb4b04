package histories

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// number is the value of a variable of the environment, or other if it is not set.
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

// smallRuns is how many children there are if nothing is said. It takes at least two
// that are killed for each mutation to find a place.
const smallRuns = 5

// TestHistory records a history with kills in it, and has it checked. At the small
// size the checkers are checked as well.
func TestHistory(t *testing.T) {
	runs, seed := number(t, "HISTORIES_RUNS", smallRuns), number(t, "HISTORIES_SEED", rand.Uint64())
	t.Logf("HISTORIES_RUNS=%d HISTORIES_SEED=%d", runs, seed)
	calls := record(t, t.TempDir(), int(runs), seed)
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
	t.Logf("%d snapshots do not show what somebody had seen before them", o.unseen)
	if !t.Failed() && runs <= smallRuns {
		t.Run("tester", func(t *testing.T) { testMutations(t, o, calls, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// unanswered is how many batches took effect without a reply.
func (o *order) unanswered() (n int) {
	for _, b := range o.batches {
		if !b.answered {
			n++
		}
	}
	return n
}
