package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if asked, err := serveIfAsked(); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestPowerCuts cuts the power of every workload.
func TestPowerCuts(t *testing.T) {
	d := mounted(t)
	for i, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			seed := uint64(i + 1)
			rec, err := perform(d, w, seed)
			require.NoError(t, err)
			got, err := cutter{budget: 700, seed: seed, maxBad: 1}.cut(rec)
			require.NoError(t, err)
			require.Zero(t, got.Bad, "seed %d: %s", seed, got.Example)
			require.Greater(t, got.Images, 500)
			require.NotZero(t, got.AtAck, "some show the last acknowledged batch")
			require.NotZero(t, got.Beyond, "some show one that was not acknowledged yet")
			require.NotZero(t, got.Fresh, "some are of a time before the store")
			t.Logf("%+v, %d operations", *got, len(rec.Ops))
		})
	}
}

// TestMutants tests the harness: it must find fault with each mutant.
func TestMutants(t *testing.T) {
	d := mounted(t)
	w := workloads[0]
	w.rounds = 40
	rec, err := perform(d, w, 7)
	require.NoError(t, err)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			ops := append([]Op(nil), rec.Ops...)
			mutated := &recording{Record{Ops: m.ops(ops)}, rec.history}
			got, err := cutter{budget: 4000, seed: 7, maxBad: 1}.cut(mutated)
			require.NoError(t, err)
			require.NotZero(t, got.Bad, "%d images, and nothing was found", got.Images)
			t.Logf("after %d images: %s", got.Images, got.Example)
		})
	}
	got, err := cutter{budget: 4000, seed: 7, maxBad: 1}.cut(rec)
	require.NoError(t, err)
	require.Zero(t, got.Bad, got.Example)
}

// TestDiskGoesAway kills the process that serves the disk.
func TestDiskGoesAway(t *testing.T) {
	d := mounted(t)
	dir, err := d.newDir()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	lost, err := startDisk()
	require.NoError(t, err)
	require.NoError(t, lost.cmd.Process.Kill())
	require.Error(t, lost.close(), "it says so")
	require.NoDirExists(t, lost.dir, "and nothing stays behind")
}
