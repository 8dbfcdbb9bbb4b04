package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFailAtEveryStep fails each operation of a small workload, in every way.
func TestFailAtEveryStep(t *testing.T) { requireSweep(t, sweepWorkload, 1, 80) }

// TestFailAtEveryStepOfAReplica does the same with a replica that catches up.
func TestFailAtEveryStepOfAReplica(t *testing.T) { requireSweep(t, replicaWorkload, 2, 60) }

// requireSweep fails each operation of a workload that has more than some steps.
func requireSweep(t *testing.T, w workload, seed uint64, steps int) {
	t.Helper()
	d := mounted(t)
	sw := sweeper{w, cutter{budget: 20, seed: seed, maxBad: 1}, true}
	got, err := sw.sweep(d)
	require.NoError(t, err)
	require.Greater(t, got.Steps, steps)
	t.Logf("%+v, %+v", *got, *got.Images)
}
