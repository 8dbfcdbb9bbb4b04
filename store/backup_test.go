package store_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A hookedWriter calls onFirst at the first write.
type hookedWriter struct {
	bytes.Buffer
	onFirst func()
}

func (w *hookedWriter) Write(b []byte) (int, error) {
	if w.onFirst != nil {
		w.onFirst()
		w.onFirst = nil
	}
	return w.Buffer.Write(b)
}

// upsertLarge places five allocations with large jobs: more than a backup reads at once.
func upsertLarge(t *testing.T, s *store.Store) {
	t.Helper()
	for n := range 5 {
		a := placed(n + 1)
		a.Job = &schema.Job{ID: "job", Name: strings.Repeat(string(rune('a'+n)), 500_000)}
		upsert(t, s, a)
	}
}

// TestBackupBesideSweep deletes an allocation and compacts while a backup runs that has read
// the insert already. The backup must not bring the allocation back.
func TestBackupBesideSweep(t *testing.T) {
	t.Parallel()
	for name, sweep := range map[string]func(*store.Store) error{
		"a pass":    func(s *store.Store) error { return s.Sweep(t.Context()) },
		"a rewrite": func(s *store.Store) error { return s.Compact(t.Context()) },
	} {
		s := open(t, tempPath(t, "from.db"), &store.Options{FeedRetention: -1})
		upsert(t, s, placed(0))
		upsertLarge(t, s)
		remove(t, s, idOf(0))
		want := contentOf(t, s)
		w := &hookedWriter{onFirst: func() { require.NoError(t, sweep(s), name) }}
		_, err := s.Backup(t.Context(), w)
		require.NoError(t, err, name)
		to := open(t, tempPath(t, "to.db"), nil)
		require.NoError(t, to.Restore(t.Context(), &w.Buffer))
		require.Equal(t, want, contentOf(t, to), name)
		dead := s.Stats().DeadBytes
		require.NoError(t, s.Sweep(t.Context()))
		require.LessOrEqual(t, s.Stats().DeadBytes, dead, "compaction goes on after the backup")
	}
}

// heapPeak is a writer that measures the live heap at each write and discards the bytes.
type heapPeak struct {
	writes int
	heap   uint64 // the largest
}

func (w *heapPeak) Write(b []byte) (int, error) {
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

// TestBackupMemory checks the bound in Backup's comment: a few megabytes for a stream of ten
// times that size. The test is not parallel: the heap of other tests would count.
func TestBackupMemory(t *testing.T) {
	const batches, bound = 40, 4 << 20
	s := open(t, tempPath(t, "large.db"), nil)
	for n := range batches {
		var b store.Batch
		for i := range 500 {
			a := placed(500*n + i)
			a.Name = strings.Repeat("x", 2000)
			b.Upsert(a)
		}
		apply(t, s, &b)
	}
	before := liveHeap()
	var w heapPeak
	info, err := s.Backup(t.Context(), &w)
	require.NoError(t, err)
	require.Greater(t, info.Bytes, int64(10*bound), "the backup is large enough to test the bound")
	require.Greater(t, w.writes, 10)
	require.Less(t, w.heap, before+bound, "the live heap while a backup of %d bytes is written", info.Bytes)
}

// TestBackupBesideRestore restores the store while a backup of it runs. The backup fails, and
// the bytes written until then are no backup.
func TestBackupBesideRestore(t *testing.T) {
	t.Parallel()
	stream, _ := backupOf(t, storeWithHistory(t, "from.db"))
	s := open(t, tempPath(t, "to.db"), nil)
	upsertLarge(t, s)
	w := &hookedWriter{onFirst: func() { require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream))) }}
	_, err := s.Backup(t.Context(), w)
	require.ErrorIs(t, err, store.ErrRestored)
	require.ErrorIs(t, s.Restore(t.Context(), &w.Buffer), store.ErrCorrupt, "a backup that failed is refused")
}

// TestBackupBesideWrites makes backups while allocations are written, deleted and compacted.
// Each backup must be the store as it was at the backup's index.
func TestBackupBesideWrites(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "from.db"), &store.Options{FeedRetention: -1})
	to := open(t, tempPath(t, "to.db"), nil)
	var mu sync.Mutex
	states := map[uint64]string{1: ""}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		r := rand.New(rand.NewPCG(3, 3))
		for i := 0; ctx.Err() == nil; i++ {
			mu.Lock()
			err := writeSome(context.Background(), s, r, 30)
			content, e := encoded(s.All())
			states[s.LastIndex()] = content
			mu.Unlock()
			if err = errors.Join(err, e); err == nil && i%50 == 0 {
				err = s.Compact(context.Background())
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 25 {
		stream, info := backupOf(t, s)
		require.NoError(t, to.Restore(t.Context(), bytes.NewReader(stream)))
		mu.Lock()
		want, ok := states[info.Index]
		mu.Unlock()
		require.True(t, ok)
		require.Equal(t, want, contentOf(t, to))
	}
	stop()
	writing.Wait()
}
