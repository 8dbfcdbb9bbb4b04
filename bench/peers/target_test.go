package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// verdicts returns the verdict of each target on the results.
func verdicts(results ...result) map[string]string {
	all := make(map[string]string)
	for _, t := range judge(figures{results, herdSize}) {
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
	const what = "Get, resident, beside go-memdb"
	at := func(n int, x float64) map[string]string {
		return verdicts(
			result{Work: "lookup", Peer: ours, N: n, sample: sample{Rate: x, Allocs: pointer(0)}},
			result{Work: "lookup", Peer: "go-memdb", N: n, sample: sample{Rate: 1}})
	}
	require.Equal(t, met, at(lookupSize, 10)[what])
	require.Equal(t, notMet, at(lookupSize, 9.9)[what])
	require.Equal(t, notRun, at(lookupSize-1, 10)[what], "a smaller run proves nothing")
}

func TestTargetsFromCurves(t *testing.T) {
	point := func(work string, n int, s sample) result {
		return result{Work: work, Peer: ours, N: n, sample: s}
	}
	got := verdicts(
		point("open", 300_000, sample{P50: time.Millisecond}),
		point("curve/open/n=2000000", openSize, sample{P50: 3 * time.Second}),
		point("curve/lookup/n=10000", smallSize, sample{Rate: 19, Allocs: pointer(0)}),
		point("curve/lookup/n=2000000", openSize, sample{Rate: 10, Allocs: pointer(0)}),
		point("curve/update/n=10000", smallSize, sample{Rate: 21}),
		point("curve/update/n=2000000", openSize, sample{Rate: 10}))
	require.Equal(t, notMet, got["Open, 2,000,000 allocations, warm page cache"], "the size asked for counts")
	require.Equal(t, met, got["Get rate, 10,000 allocations beside 2,000,000"])
	require.Equal(t, notMet, got["update rate, 10,000 allocations beside 2,000,000"])
}
