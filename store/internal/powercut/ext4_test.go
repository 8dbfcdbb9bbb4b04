package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// cutExt4 runs a workload in an ext4 with those mount options, and cuts the power of the disk
// below it.
func cutExt4(t *testing.T, options string, budget int) *counts {
	t.Helper()
	needExt4(t)
	rec, err := performOnExt4(mounted(t), options, 3)
	require.NoError(t, err)
	got, err := rec.cut(cutter{budget: budget, seed: 3, maxBad: 1})
	require.NoError(t, err)
	t.Logf("%d images at %d moments, %d bad: %s", got.Images, got.Points, got.Bad, brief(got.Example))
	return got
}

// TestExt4 cuts the power of a real file system: after the replay of its journal the store is
// in the state after a batch at or past the last acknowledged one.
func TestExt4(t *testing.T) {
	got := cutExt4(t, "barrier=1", 150)
	require.Zero(t, got.Bad, got.Example)
	require.NotZero(t, got.AtAck)
}

// TestExt4WithoutBarriers is the counterpart that must fail: a file system that has the disk
// keep no order loses acknowledged batches.
func TestExt4WithoutBarriers(t *testing.T) {
	got := cutExt4(t, "barrier=0", 1500)
	require.NotZero(t, got.Bad, "%d images, and nothing was found", got.Images)
}
