package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFailAtEveryStep fails each operation of a small workload, in every way.
func TestFailAtEveryStep(t *testing.T) {
	d := mounted(t)
	sw := sweeper{sweepWorkload, cutter{budget: 20, seed: 1, maxBad: 1}, true}
	got, err := sw.sweep(d)
	require.NoError(t, err)
	require.Greater(t, got.Steps, 80)
	t.Logf("%+v, %+v", *got, *got.Images)
}

// TestFailAtEveryStepOfAReplica does the same with a replica that catches up.
func TestFailAtEveryStepOfAReplica(t *testing.T) {
	d := mounted(t)
	sw := sweeper{replicaWorkload, cutter{budget: 20, seed: 2, maxBad: 1}, true}
	got, err := sw.sweep(d)
	require.NoError(t, err)
	require.Greater(t, got.Steps, 60)
	t.Logf("%+v, %+v", *got, *got.Images)
}
