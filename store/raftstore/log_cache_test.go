package raftstore

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestLogCache stores, reads, cuts and overwrites entries at random, and compares with the log below.
func TestLogCache(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	below := raft.NewInmemStore()
	h := &halt{started: make(chan struct{})}
	c := newLogCache(16, &guardedLog{LogStore: below, halt: h, base: new(atomic.Uint64)})
	first, last := uint64(1), uint64(0)
	for range 3000 {
		switch k := rng.IntN(8); {
		case k < 5:
			var logs []*raft.Log
			for range 1 + rng.IntN(20) {
				last++
				logs = append(logs, &raft.Log{Index: last, Term: rng.Uint64(), Type: raft.LogBarrier})
			}
			require.NoError(t, c.StoreLogs(logs))
		case k == 5 && last > first+10: // the end is overwritten
			from := last - rng.Uint64N(8)
			require.NoError(t, c.DeleteRange(from, last))
			last = from - 1
		case k == 6 && last > first+40:
			require.NoError(t, c.DeleteRange(first, last-20))
			first = last - 19
		}
		for i := max(first, last-min(last, 25)); i <= last; i++ {
			var got, want raft.Log
			require.NoError(t, below.GetLog(i, &want))
			require.NoError(t, c.GetLog(i, &got))
			require.Equal(t, want.Term, got.Term, "entry %d", i)
		}
		require.ErrorIs(t, c.GetLog(last+1, new(raft.Log)), raft.ErrLogNotFound)
	}
}

// discardLogs is a log that keeps nothing.
type discardLogs struct{ raft.LogStore }

func (discardLogs) StoreLogs([]*raft.Log) error { return nil }

// TestLogCacheIsBounded: the entries that are kept have at most 32 MiB, and there is one at least.
func TestLogCacheIsBounded(t *testing.T) {
	t.Parallel()
	h := &halt{started: make(chan struct{})}
	c := newLogCache(1024, &guardedLog{LogStore: discardLogs{raft.NewInmemStore()}, halt: h, base: new(atomic.Uint64)})
	for i := range uint64(100) {
		require.NoError(t, c.StoreLog(&raft.Log{Index: i + 1, Type: raft.LogBarrier, Data: make([]byte, 1<<20)}))
		bytes := 0
		for _, log := range c.mu.ring {
			if log != nil {
				bytes += len(log.Data)
			}
		}
		require.Equal(t, c.mu.bytes, bytes)
		require.LessOrEqual(t, bytes, cacheBytes)
		require.NoError(t, c.GetLog(i+1, new(raft.Log)))
	}
	require.Equal(t, 32<<20, c.mu.bytes)
	require.NoError(t, c.StoreLog(&raft.Log{Index: 101, Type: raft.LogBarrier, Data: make([]byte, 64<<20)}))
	require.Equal(t, 64<<20, c.mu.bytes)
}
