package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

// tiny returns the flags of a run that takes a second.
func tiny(more ...string) []string {
	return append([]string{
		"-allocs", "2500", "-small", "300", "-events", "10", "-readers", "500", "-wakes", "20", "-writers", "256",
		"-opens", "2", "-lookups", "10000", "-mixed", "100ms",
		"-nodes", "2000", "-listed", "3000", "-placements", "2", "-sample", "../../testdata/allocation.json",
	}, more...)
}

// TestRun runs the whole program at a small size. The program checks its own results.
func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, run(t.Context(), tiny("-json", "-out", dir, "-dir", t.TempDir()), &out, io.Discard))
	var r report.Report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	for name, operations := range map[string]int{
		"place": 2500, "update": 25_000, "get, resident": 10_000, "park readers": 500, "wake one reader": 20,
		"end readers by their context": 480, "get, from the file": 2500, "place on nodes": 3000, "park readers of lists": 2000, "get each and check all of it": 2500,
	} {
		require.Equal(t, operations, r.Phase(name).Operations, name)
	}
	require.EqualValues(t, 2500, r.Figure("allocations checked after opening").Value)
	require.NotEmpty(t, r.Figure("readers that woke for nothing"))
	require.NotEmpty(t, r.Figure("a blocked reader"))
	require.NotEmpty(t, r.Figure("readers of lists that woke for nothing"))
	require.Less(t, r.Phase("wake the readers of a batch's nodes").Operations, 2*1000, "some nodes have several placements")
	require.Positive(t, r.Figure("of the processors' time under mixed load, collecting garbage").Value)
	text, err := os.ReadFile(filepath.Join(dir, "scale.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), "open after the updates, median")
	require.FileExists(t, filepath.Join(dir, "scale.json"))
}

func TestRunBatched(t *testing.T) {
	t.Parallel()
	require.NoError(t, run(t.Context(), tiny("-batch", "7", "-writers", "16", "-allocs", "600", "-dir", t.TempDir()), io.Discard, io.Discard))
}

func TestRunRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-allocs", "5"}, {"-readers", "0"}, {"-events", "0"}, {"-wakes", "501"}, {"-batch", "-1"}, {"-nodes", "0"}, {"-listed", "0"}, {"-placements", "0"}, {"extra"}, {"-sample", "no such file"},
	} {
		require.Error(t, run(t.Context(), tiny(args...), io.Discard, io.Discard), "%v", args)
	}
}

// played returns a trial whose store has all its events.
func played(t *testing.T) *trial {
	t.Helper()
	c, err := parse(tiny("-allocs", "1500", "-events", "2"), io.Discard)
	require.NoError(t, err)
	tr, err := newTrial(c, filepath.Join(t.TempDir(), "scale.db"), new(report.Report), io.Discard)
	require.NoError(t, err)
	require.NoError(t, tr.open())
	t.Cleanup(func() { require.NoError(t, tr.close()) })
	require.NoError(t, tr.phases(t.Context(), tr.place, tr.update))
	return tr
}

// TestChecksFindDifferences falsifies a value that the trial expects. The checks must then fail.
func TestChecksFindDifferences(t *testing.T) {
	t.Parallel()
	tr := played(t)
	require.NoError(t, tr.reopen("as placed"))
	require.NoError(t, tr.phases(t.Context(), tr.verify, tr.checkLists, tr.readOnce))
	for name, spoil := range map[string]func(by int){
		"the last index of one": func(by int) { tr.last[1234] += uint64(by) },
		"the events of one":     func(by int) { tr.sent[1234] += uint32(by) },
		"an insert":             func(by int) { tr.created[1] += uint64(by) },
	} {
		spoil(1)
		require.Error(t, tr.verify(t.Context()), name)
		spoil(-1)
		require.NoError(t, tr.verify(t.Context()), name)
	}
	tr.last[7]--
	require.Error(t, tr.readOnce(t.Context()))
	tr.last[7]++
	tr.batches.Add(1)
	require.Error(t, tr.checkLists(t.Context()), "a batch that was lost")
	tr.batches.Add(^uint64(0))
	_, err := tr.s.Delete(t.Context(), tr.ID(3))
	require.NoError(t, err)
	tr.batches.Add(1)
	require.Error(t, tr.checkLists(t.Context()), "an allocation that is gone")
	require.Error(t, tr.checkJobList(0))
	require.Error(t, tr.verify(t.Context()))
}

func TestWakesAreChecked(t *testing.T) {
	t.Parallel()
	tr := played(t)
	l := tr.newLot()
	l.patience = time.Millisecond
	h := new(report.Histogram)
	require.ErrorContains(t, l.parked(), "0 of 500")
	require.ErrorContains(t, l.wakeOne(t.Context(), 1, h, h), "did not wake", "there is no reader")
	l.awake <- woken{i: 2}
	require.ErrorContains(t, l.wakeOne(t.Context(), 1, h, h), "woke with", "a reader of another allocation")
	require.ErrorContains(t, l.end(func() {}), "0 readers were ended")

	tr.readers, tr.wakes = 10, 5
	l = tr.newLot()
	for k := range tr.readers {
		l.left.Add(1)
		go l.reader(t.Context(), k*l.stride)
	}
	require.NoError(t, l.parked())
	l.woke.Add(1)
	require.ErrorContains(t, l.wakeSome(t.Context()), "6 readers woke", "one too many")
	for i := range tr.Len() {
		_, err := l.write(t.Context(), i)
		require.NoError(t, err)
	}
	l.left.Wait()
}

// TestListWakesAreChecked tests the checks of a reader's result, and has a reader that wakes
// for nothing.
func TestListWakesAreChecked(t *testing.T) {
	t.Parallel()
	c, err := parse(tiny("-nodes", "5", "-listed", "20"), io.Discard)
	require.NoError(t, err)
	l, err := newListLot(c, filepath.Join(t.TempDir(), "lists.db"), new(report.Report), io.Discard)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.s.Close()) }()
	a := l.Alloc(0)
	good := store.ListResult{Index: 7, Outcome: store.Changed, Changed: []*schema.Allocation{a}}
	require.NoError(t, l.check(&listed{result: good}, 7, []string{a.ID}))
	for name, spoil := range map[string]func(*listed){
		"an error":        func(w *listed) { w.err = io.EOF },
		"the outcome":     func(w *listed) { w.result.Outcome = store.TimedOut },
		"all of it":       func(w *listed) { w.result.Full = true },
		"the index":       func(w *listed) { w.result.Index++ },
		"a departure":     func(w *listed) { w.result.Gone = make([]store.Departure, 1) },
		"nothing":         func(w *listed) { w.result.Changed = nil },
		"another's":       func(w *listed) { w.result.Changed = []*schema.Allocation{l.Alloc(1)} },
		"more than there": func(w *listed) { w.result.Changed = append(w.result.Changed, a) },
	} {
		w := listed{result: good}
		spoil(&w)
		require.Error(t, l.check(&w, 7, []string{a.ID}), name)
	}
	require.Error(t, l.check(&listed{result: store.ListResult{Index: 7, Outcome: store.Changed}}, 7, nil), "a node that is not touched")
	l.patience = time.Millisecond
	require.ErrorContains(t, l.parked(), "0 of 5")
	h := new(report.Histogram)
	require.ErrorContains(t, l.wakeSome(t.Context(), new(store.Batch), map[int][]string{1: {a.ID}}, h, h), "did not wake")
	l.patience, l.expected = program.Patience, 0
	l.woke.Add(1)
	require.ErrorContains(t, l.all(t.Context()), "readers of lists woke", "a reader that wakes for nothing")
}

func TestTruthIsByAllocation(t *testing.T) {
	t.Parallel()
	tr := played(t)
	require.Equal(t, fleet.Truth{Created: 3, Modified: tr.last[1001], Events: 2}, tr.truth(1001))
}
