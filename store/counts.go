package store

import "sync/atomic"

// counts are what the store has done since Open; see Stats.
type counts struct {
	commits, batches, writes atomic.Uint64
	passes, hits, misses     atomic.Uint64
}
