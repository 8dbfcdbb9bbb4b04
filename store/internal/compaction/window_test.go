package compaction

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/logtest"
	"allocstore/store/internal/record"
)

// TestWindow searches a log of several steps at many floors, and compares with the oracle.
func TestWindow(t *testing.T) {
	t.Parallel()
	a := newAuthor(1, logtest.New(t, 0), 256)
	for range 200 {
		a.Apply(a.batch(150)...)
	}
	all, last := a.Entries(), a.State.Index.Last()
	require.Greater(t, len(all), 2*sweepRecords)
	steps := 0
	for _, floor := range []uint64{1, 2, last / 4, last / 2, last - 100, last - 1, last} {
		w := newWindow(a.State, floor)
		got := make(map[record.Key]judgement)
		for next, more := (record.Key{}), true; more; {
			f, err := w.find(next)
			require.NoError(t, err)
			require.LessOrEqual(t, len(f.dead), sweepDead)
			for _, d := range f.dead {
				require.False(t, got[d.key].dead, "a record is found once: %v", d.key)
				got[d.key] = judgement{true, d.forget}
			}
			next, more = f.next, f.more
			steps++
		}
		require.Equal(t, judge(all, floor), got, "floor %d", floor)
	}
	require.Greater(t, steps, 14, "a search has several steps")
}

// TestWindowBesideWrites commits a version after the window has read the log. The window does
// not know which version the allocation had at the floor, so the allocation's records stay, and
// the next search finds the dead one.
func TestWindowBesideWrites(t *testing.T) {
	t.Parallel()
	l := logtest.New(t, 0)
	id := schema.ID{1}
	report := func(text string) { l.Apply(logtest.Write{ID: id, Flags: record.FlagClient, Text: text}) }
	l.Apply(logtest.Write{ID: id, Flags: logtest.Placed, Job: "job"}) // 2
	report("pending")                                                 // 3: the client's part of 2 is dead, its scheduler's is not
	report("running")                                                 // 4: 3 is dead
	w := newWindow(l.State, l.State.Index.Last())
	_, err := w.follow()
	require.NoError(t, err)
	report("complete") // 5
	require.NoError(t, l.State.File.View(func(tx logfile.Tx) error {
		for e, err := range tx.Records(record.Key{}) {
			require.NoError(t, err)
			needed, _ := w.needs(&e)
			require.True(t, needed || e.Key.Index == 5, "record %v", e.Key)
		}
		return nil
	}))
	found, err := w.find(record.Key{})
	require.NoError(t, err)
	require.Len(t, found.dead, 1)
	require.Equal(t, record.Key{Index: 3}, found.dead[0].key)
}
