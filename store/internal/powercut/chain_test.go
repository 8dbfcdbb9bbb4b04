package main

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

var chains = flag.Int("powercut.chains", 12, "chains of crashes in TestChains")

// TestChains crashes stores that crashes have left.
func TestChains(t *testing.T) {
	d, got := mounted(t), &chainCounts{Images: new(counts)}
	for seed := range uint64(*chains) {
		require.NoError(t, newChainer(seed).run(d, got), "seed %d", seed)
	}
	require.NotZero(t, got.Images.Beyond, "some show a batch that was not acknowledged yet")
	t.Logf("%+v of %+v", *got.Images, *got)
}
