package store_test

import (
	"bytes"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// besides is a writer that has something done when it is first written to.
type besides struct {
	bytes.Buffer
	do func()
}

func (w *besides) Write(b []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return w.Buffer.Write(b)
}

// TestBackupBesideSweep deletes an allocation whose insert the backup has read already, and
// has compaction remove both: it does not come to life again.
func TestBackupBesideSweep(t *testing.T) {
	t.Parallel()
	for name, sweep := range map[string]func(*store.Store) error{
		"a pass":    func(s *store.Store) error { return s.Sweep(t.Context()) },
		"a rewrite": func(s *store.Store) error { return s.Compact(t.Context()) },
	} {
		s := open(t, filepath.Join(t.TempDir(), "from.db"), &store.Options{FeedRetention: -1})
		upsert(t, s, placed(0))
		for n := range 5 { // more than a backup reads at once
			a := placed(n + 1)
			a.Job = &schema.Job{ID: "job", Name: strings.Repeat(string(rune('a'+n)), 500_000)}
			upsert(t, s, a)
		}
		_, err := s.Delete(t.Context(), idOf(0))
		require.NoError(t, err)
		want := mustShow(t, s)
		w := &besides{do: func() { require.NoError(t, sweep(s), name) }}
		_, err = s.Backup(t.Context(), w)
		require.NoError(t, err, name)
		to := open(t, filepath.Join(t.TempDir(), "to.db"), nil)
		require.NoError(t, to.Restore(t.Context(), &w.Buffer))
		require.Equal(t, want, mustShow(t, to), name)
		dead := s.Stats().DeadBytes
		require.NoError(t, s.Sweep(t.Context()))
		require.LessOrEqual(t, s.Stats().DeadBytes, dead, "once the backup is over it goes on")
	}
}

// highWater is a writer that keeps nothing but the largest heap it has seen: of what is
// alive, for it collects what is not.
type highWater struct {
	writes int
	heap   uint64
}

func (w *highWater) Write(b []byte) (int, error) {
	w.writes++
	w.heap = max(w.heap, liveHeap())
	return len(b), nil
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestBackupMemory is the promise of Backup's comment: a few megabytes, of a stream of ten
// times as much. No other test runs meanwhile, whose heap would count.
func TestBackupMemory(t *testing.T) {
	const batches, bound = 40, 4 << 20
	s := open(t, filepath.Join(t.TempDir(), "large.db"), nil)
	for n := range batches {
		var b store.Batch
		for i := range 500 {
			a := placed(500*n + i)
			a.Name = strings.Repeat("x", 2000)
			b.Upsert(a)
		}
		_, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
	}
	before := liveHeap()
	var w highWater
	info, err := s.Backup(t.Context(), &w)
	require.NoError(t, err)
	require.Greater(t, info.Bytes, int64(10*bound), "or there is nothing to see")
	require.Greater(t, w.writes, 10)
	require.Less(t, w.heap, before+bound, "the live heap while a backup of %d bytes is written", info.Bytes)
}
