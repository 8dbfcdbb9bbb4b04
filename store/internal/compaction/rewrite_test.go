package compaction

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/logtest"
	"allocstore/store/internal/record"
)

// jobsOf returns the hashes of the jobs that the records name.
func jobsOf(all []logfile.Entry) map[record.JobHash]bool {
	jobs := make(map[record.JobHash]bool)
	for _, e := range all {
		if e.Flags&record.FlagSched != 0 {
			jobs[e.Job] = true
		}
	}
	return jobs
}

// TestRewrite rewrites a log of several steps. Records that are written before the barrier are
// copied too, and a job that no record names is not.
func TestRewrite(t *testing.T) {
	t.Parallel()
	a := newAuthor(1, logtest.New(t, 0), 100)
	a.Apply(logtest.Write{ID: schema.ID{255}, Flags: logtest.Placed, Job: "unused"})
	a.Apply(logtest.Write{ID: schema.ID{255}, Flags: record.FlagTombstone})
	sw, _ := newSweeperOf(a.Log, 0, removeAt(a.Log, noWrites))
	require.NoError(t, sw.Sweep(t.Context()))
	for i := range 30 {
		a.Apply(append(a.batch(100), logtest.Write{ID: schema.ID{254, byte(i)}, Flags: logtest.Placed, Job: "large", Text: string(make([]byte, 100_000))})...)
	}
	var before []logfile.Entry
	require.NoError(t, Rewrite(t.Context(), a.State, func(finish func() error) error {
		a.Apply(a.batch(100)...)
		a.Apply(logtest.Write{ID: schema.ID{253}, Flags: logtest.Placed, Job: "late"})
		before = a.Entries()
		require.Equal(t, len(jobsOf(before))+1, a.State.Jobs.Len())
		return finish()
	}))
	require.Equal(t, before, a.Entries())
	require.Equal(t, len(jobsOf(before)), a.State.Jobs.Len())
	a.Check()
	a.Apply(a.batch(100)...)
	onlyLog(t, a.Log)
}

// TestRewriteEnds ends a rewrite early. The old file stays in use, and the new one is removed.
func TestRewriteEnds(t *testing.T) {
	t.Parallel()
	l := logtest.New(t, 0)
	l.Apply(logtest.Write{ID: schema.ID{1}, Flags: logtest.Placed, Job: "job"})
	before, cause := l.Entries(), errors.New("cause")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	none := func(func() error) error { return cause }
	require.ErrorIs(t, Rewrite(ctx, l.State, none), context.Canceled)
	require.ErrorIs(t, Rewrite(t.Context(), l.State, none), cause)
	l.State.Manifest.Sum.Add(1)
	err := Rewrite(t.Context(), l.State, func(finish func() error) error { return finish() })
	require.ErrorIs(t, err, record.ErrCorrupt, "the copy has another content sum")
	l.State.Manifest.Sum.Remove(1)
	require.Equal(t, before, l.Entries())
	onlyLog(t, l)
}

// onlyLog requires that the log's file and its lock are alone in their directory.
func onlyLog(t *testing.T, l *logtest.Log) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(l.State.File.Path()))
	require.NoError(t, err)
	require.Len(t, files, 2)
}
