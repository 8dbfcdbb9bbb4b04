package store

import "sync/atomic"

// counts count the store's work since Open; see Stats.
type counts struct {
	commits, batches, writes atomic.Uint64
	passes, hits, misses     atomic.Uint64
}
