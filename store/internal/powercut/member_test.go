package main

import (
	"errors"
	"os"
	"reflect"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPowerCutsOfANode cuts the power of a node that votes alone.
func TestPowerCutsOfANode(t *testing.T) {
	d := mounted(t)
	for i, w := range memberWorkloads {
		if testing.Short() && i > 0 {
			break // the command runs all of them
		}
		seed := uint64(i + 1)
		rec, err := performMember(d, w, seed)
		require.NoError(t, err)
		got, err := memberCutter(500, seed).cut(rec)
		require.NoError(t, err)
		require.Zero(t, got.Bad, "seed %d: %s", seed, got.Example)
		t.Logf("%+v, %d operations", *got, len(rec.Ops))
	}
}

// TestMutantsOfANode tests the harness: it must find fault with each mutant.
func TestMutantsOfANode(t *testing.T) {
	d := mounted(t)
	rec, err := performMember(d, memberWorkloads[0], 7)
	require.NoError(t, err)
	for _, m := range memberMutants {
		t.Run(m.name, func(t *testing.T) { requireFound(t, m, rec, memberCutter(4000, 7)) })
	}
}

func requireFound(t *testing.T, m mutant, rec *recording, c cutter) {
	t.Helper()
	mutated := &recording{Record{Ops: m.ops(rec.Ops)}, rec.history}
	for i, op := range mutated.Ops {
		if !reflect.DeepEqual(op, rec.Ops[i]) {
			c.from = i // images before are not the mutant's
			break
		}
	}
	got, err := c.cut(mutated)
	require.NoError(t, err)
	require.NotZero(t, got.Bad, "%d images, and nothing was found", got.Images)
	t.Logf("after %d images: %s", got.Images, got.Example)
}

// TestPowerCutsOfAnInstallation cuts the power of a node that takes snapshots of its leader.
func TestPowerCutsOfAnInstallation(t *testing.T) {
	d := mounted(t)
	for i, w := range installWorkloads {
		if testing.Short() && i == 0 {
			continue // the command runs all of them
		}
		seed := uint64(i + 1)
		rec, err := performInstall(d, w, seed)
		require.NoError(t, err)
		got, err := rec.cut(cutter{budget: 300, seed: seed, maxBad: 1})
		require.NoError(t, errors.Join(err, os.RemoveAll(rec.leader)))
		require.Zero(t, got.Bad, "seed %d: %s", seed, got.Example)
		t.Logf("%+v, %d operations", *got, len(rec.Ops))
	}
}

// TestMutantsOfAnInstallation does the same for a node that takes snapshots of its leader.
func TestMutantsOfAnInstallation(t *testing.T) {
	d := mounted(t)
	rec, err := performInstall(d, installWorkloads[0], 7)
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(rec.leader)) }()
	for _, m := range installMutants {
		t.Run(m.name, func(t *testing.T) {
			requireFound(t, m, rec.recording, cutter{budget: 3000, seed: 7, maxBad: 1, judge: rec.judge, workers: memberWorkers})
		})
	}
}

// TestFailAtEveryStepOfANode fails operations of a node: some in short mode, all in every way by the command.
func TestFailAtEveryStepOfANode(t *testing.T) {
	d := mounted(t)
	got, err := (&memberSweeper{seed: 1, budget: 1, stride: 23, cuts: 12}).sweep(d)
	require.NoError(t, err)
	require.Greater(t, got.Steps, 150)
	t.Logf("%+v, %+v", *got, *got.Images)
}

// TestFailAtEveryStepOfAnInstallation fails operations of a node that takes snapshots of its leader.
func TestFailAtEveryStepOfAnInstallation(t *testing.T) {
	got, err := sweepInstalls(mounted(t), 1, 29)
	require.NoError(t, err)
	require.Greater(t, got.Steps, 60)
	t.Logf("%+v", *got)
}

// TestExchangeInDoubt fails syncs of the directory while a snapshot is installed. After the one that follows the exchange of
// the content the snapshot's meta was removed, and the node did not open any more.
func TestExchangeInDoubt(t *testing.T) {
	d, got := mounted(t), new(installSweepCounts)
	for n := 5; n <= 8; n++ {
		_, err := endureInstall(d, 1, Fault{N: n, Only: []OpKind{OpSyncDir}, Err: syscall.EIO}, got)
		require.NoError(t, err, "sync %d", n)
	}
	require.NotZero(t, got.Halted)
}
