package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// verdicts returns the verdict of each target on the results.
func verdicts(results ...result) map[string]string {
	all := make(map[string]string)
	for _, t := range judge(results) {
		all[t.What] = t.Verdict
	}
	return all
}

func TestTargetsNotRun(t *testing.T) {
	for what, verdict := range verdicts() {
		require.Equal(t, notRun, verdict, what)
	}
}

func TestTargetSizes(t *testing.T) {
	const what = "Get, resident, 1,000,000, beside go-memdb"
	at := func(n int, x float64) map[string]string {
		return verdicts(
			result{Work: "lookup", Peer: ours, N: n, sample: sample{Rate: x, Allocs: pointer(0)}},
			result{Work: "lookup", Peer: "go-memdb", N: n, sample: sample{Rate: 1}})
	}
	require.Equal(t, met, at(lookupSize, 8)[what])
	require.Equal(t, notMet, at(lookupSize, 7.9)[what])
	require.Equal(t, notRun, at(lookupSize-1, 8)[what], "a smaller run proves nothing")
	require.Equal(t, met, at(lookupSize-1, 8)["Get, resident, 300,000, beside go-memdb"], "it does for a smaller target")
}

func TestTargetOfEqualSizes(t *testing.T) {
	got := verdicts(
		result{Work: "curve/lookup/n=1000000", Peer: ours, N: lookupSize, sample: sample{Rate: 9, Allocs: pointer(0)}},
		result{Work: "lookup", Peer: "xsync", N: smallSize, sample: sample{Rate: 10}})
	require.Equal(t, notRun, got["Get, resident, 1,000,000, beside xsync"], "rates of different sizes do not compare")
}

func TestTargetRates(t *testing.T) {
	for _, r := range rates {
		rate := func(peer string, x float64) result {
			return result{Work: r.work, Peer: peer, N: lookupSize, sample: sample{Rate: x, Allocs: pointer(0)}}
		}
		what := r.what + ", beside " + r.peer
		require.Equal(t, met, verdicts(rate(ours, r.want), rate(r.peer, 1))[what])
		require.Equal(t, notMet, verdicts(rate(ours, .99*r.want), rate(r.peer, 1))[what])
	}
}

func TestTargetsFromCurves(t *testing.T) {
	point := func(work, peer string, n int, s sample) result {
		return result{Work: work, Peer: peer, N: n, sample: s}
	}
	got := verdicts(
		point("open", ours, 300_000, sample{P50: time.Millisecond}),
		point("curve/open/n=2000000", ours, openSize, sample{P50: 3 * time.Second}),
		point("curve/lookup/n=1000000", ours, lookupSize, sample{Rate: 9, Allocs: pointer(0)}),
		point("curve/lookup/n=1000000", "xsync", lookupSize, sample{Rate: 10}),
		point("curve/update/writers=4", ours, updateSize, sample{Rate: 9}),
		point("curve/update/writers=4", "Pebble", updateSize, sample{Rate: 10}))
	require.Equal(t, notMet, got["Open, 2,000,000 allocations as placed, warm page cache"], "the size asked for counts")
	require.Equal(t, met, got["Get, resident, 1,000,000, beside xsync"])
	require.Equal(t, notMet, got["durable client updates, 4 writers, beside Pebble"])
}
