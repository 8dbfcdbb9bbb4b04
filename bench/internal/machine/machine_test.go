package machine

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	m := Describe(t.TempDir())
	require.Positive(t, m.MemoryBytes)
	require.NotEmpty(t, m.Kernel)
	require.NotEmpty(t, m.FileSystem)
	require.Contains(t, m.String(), runtime.Version())
	require.Zero(t, kilobytes("/proc/meminfo", "no such field"))
	require.Empty(t, field("no such file", "x"))
}

func TestMemory(t *testing.T) {
	t.Parallel()
	w := NewWatch(time.Millisecond)
	heap, _ := InUse()
	held := make([]byte, 64<<20)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	now := ResidentNow()
	with, _ := InUse()
	runtime.KeepAlive(held)
	require.Greater(t, with, heap+32<<20)
	require.Greater(t, now.Anonymous, int64(64<<20))
	require.GreaterOrEqual(t, now.Peak, now.Anonymous)
	Release()
	require.GreaterOrEqual(t, w.Stop(), now.Anonymous/2)
}

func TestProcessor(t *testing.T) {
	t.Parallel()
	runtime.GC()
	then := ProcessorNow()
	runtime.GC()
	now := ProcessorNow()
	require.Greater(t, now.Collections, then.Collections)
	require.Greater(t, now.Garbage, then.Garbage)
}

func TestShare(t *testing.T) {
	t.Parallel()
	then := Processor{Collections: 3, Garbage: 1, Busy: 10}
	share, ok := Processor{Collections: 5, Garbage: 2, Busy: 14}.Share(then)
	require.True(t, ok)
	require.InDelta(t, 0.25, share, 1e-9)
	_, ok = Processor{Collections: 3, Garbage: 1, Busy: 12}.Share(then)
	require.False(t, ok, "no collection has ended")
}

func TestReadLatency(t *testing.T) {
	t.Parallel()
	small, large := ReadLatency(8<<10), ReadLatency(64<<20)
	require.Positive(t, small)
	require.Greater(t, large, small)
}

func TestSyncLatency(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	took, err := SyncLatency(dir)
	require.NoError(t, err)
	require.Positive(t, took)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = SyncLatency(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
