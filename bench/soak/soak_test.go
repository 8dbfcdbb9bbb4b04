package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

func tiny(more ...string) []string {
	return append([]string{
		"-minutes", "0.01", "-allocs", "1500", "-writers", "32", "-every", "200ms", "-hold", "100ms",
		"-sample", "../../testdata/allocation.json",
	}, more...)
}

// TestRun runs the whole program at a small size. The program checks its own results.
func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, run(t.Context(), tiny("-json", "-out", dir, "-dir", t.TempDir()), &out, io.Discard))
	var s soakReport
	require.NoError(t, json.Unmarshal(out.Bytes(), &s))
	for _, suffix := range []string{", with compaction", ", without compaction"} {
		updates := s.Phase("update" + suffix).Operations
		require.Positive(t, updates)
		require.EqualValues(t, updates, s.Figure("changes that the feed reader checked"+suffix).Value)
		require.GreaterOrEqual(t, s.Figure("snapshots read"+suffix).Value, 2.0)
		require.GreaterOrEqual(t, s.Figure("allocations in them that were checked"+suffix).Value, 500.0)
	}
	require.GreaterOrEqual(t, len(s.With), 2)
	require.GreaterOrEqual(t, len(s.Without), 2)
	require.Positive(t, s.With[0].Rate)
	require.NotNil(t, s.Figure("file, of the live bytes, at the most").Met)
	text, err := os.ReadFile(filepath.Join(dir, "soak.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), "feed behind")
	require.FileExists(t, filepath.Join(dir, "soak.json"))
}

func TestRunRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-writers", "0"}, {"-allocs", "5"}, {"-minutes", "0"}, {"extra"}, {"-sample", "no such file"}} {
		require.Error(t, run(t.Context(), tiny(args...), io.Discard, io.Discard), "%v", args)
	}
}

// placed returns a run whose allocations are placed, with one update of each of the first two.
func placed(t *testing.T) *soaker {
	t.Helper()
	c, err := parse(tiny("-allocs", "100"), io.Discard)
	require.NoError(t, err)
	s, err := newSoaker(c, nil, filepath.Join(t.TempDir(), "soak.db"), output{new(report.Report), "", io.Discard})
	require.NoError(t, err)
	require.NoError(t, s.open())
	t.Cleanup(func() { require.NoError(t, s.s.Close()) })
	require.NoError(t, s.place(t.Context()))
	for _, i := range []int{0, 1} {
		require.NoError(t, s.writeOne(t.Context(), i, &s.meters[i]))
	}
	return s
}

func TestFeedIsChecked(t *testing.T) {
	t.Parallel()
	s := placed(t)
	var changes []store.Change
	for ch, err := range s.s.Changes(t.Context(), s.from) {
		require.NoError(t, err)
		if changes = append(changes, ch); len(changes) == 2 {
			break
		}
	}
	rewind := func() {
		s.feed.events, s.feed.count, s.feed.digests = make([]int, s.Len()), 0, 0
		s.feed.at.Store(s.from)
	}
	rewind()
	require.Error(t, s.checkChange(changes[1]), "one was left out")
	require.NoError(t, s.checkChange(changes[0]))
	require.Error(t, s.checkChange(changes[0]), "one came twice")
	require.Error(t, s.feed.compare(s.acks), "the last one is missing")
	require.NoError(t, s.checkChange(changes[1]))
	require.NoError(t, s.feed.compare(s.acks))
	rewind()
	s.feed.events[0]++
	require.Error(t, s.checkChange(changes[0]), "an event was left out")
	rewind()
	ch := changes[0]
	ch.Alloc = changes[1].Alloc
	require.Error(t, s.checkChange(ch), "another's content")
	rewind()
	s.acks.digests.Add(1)
	require.NoError(t, s.checkChange(changes[0]))
	require.NoError(t, s.checkChange(changes[1]))
	require.Error(t, s.feed.compare(s.acks), "at another index")
}

func TestSnapshotsAreChecked(t *testing.T) {
	t.Parallel()
	s := placed(t)
	claims, err := s.snapshot(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, claims, 100)
	open, err := s.checkClaims(claims, false)
	require.NoError(t, err)
	require.Len(t, open, 100, "nothing came after the snapshot")
	require.NoError(t, s.writeOne(t.Context(), 1, &s.meters[1]))
	open, err = s.checkClaims(open, false)
	require.NoError(t, err)
	require.Len(t, open, 99)
	_, err = s.checkClaims(open, true)
	require.NoError(t, err)
	require.EqualValues(t, 100, s.read.rows.Load())

	of := claims[slices.IndexFunc(claims, func(c claim) bool { return c.i == 1 })]
	for name, c := range map[string]claim{
		"an index that was not acknowledged": {1, 1, of.index + 1, of.snapshot},
		"an event too few":                   {1, 0, s.acks.created[1], of.snapshot},
		"an event too many":                  {1, 3, of.index, of.snapshot},
		"a snapshot that is too old":         {1, 1, of.index, s.s.LastIndex()},
	} {
		_, err := s.checkClaims([]claim{c}, true)
		require.Error(t, err, name)
	}
	for range remembered {
		require.NoError(t, s.writeOne(t.Context(), 1, &s.meters[1]))
	}
	_, err = s.checkClaims([]claim{of}, true)
	require.NoError(t, err)
	require.EqualValues(t, 1, s.read.unchecked.Load(), "the writers have forgotten it")

	s.acks.created[7]++
	_, err = s.snapshot(t.Context(), 0, time.Millisecond)
	require.Error(t, err, "another insert")
}

func TestEndIsChecked(t *testing.T) {
	t.Parallel()
	s := placed(t)
	require.NoError(t, s.reopen(t.Context()))
	s.acks.record(0, 1, s.s.LastIndex())
	require.ErrorContains(t, s.verify(t.Context()), "the last index")
	s.acks.updates.Add(^uint64(0))
	require.ErrorContains(t, s.verify(t.Context()), s.ID(0), "at another index")
	s.acks.record(0, 1, s.from+1)
	s.acks.updates.Add(^uint64(0))
	require.NoError(t, s.verify(t.Context()))
	_, err := s.s.UpdateFromClient(t.Context(), s.Update(5, new(schema.TaskState)))
	require.NoError(t, err)
	s.acks.updates.Add(1)
	require.ErrorContains(t, s.verify(t.Context()), s.ID(5), "an update that was not acknowledged")
}

// TestRunStopsWhenSomethingIsWrong falsifies the expected state during a run.
func TestRunStopsWhenSomethingIsWrong(t *testing.T) {
	t.Parallel()
	s := placed(t)
	s.length = time.Minute
	s.from--
	began := time.Now()
	require.ErrorContains(t, s.run(t.Context()), "feed:")
	require.Less(t, time.Since(began), 30*time.Second)
}
