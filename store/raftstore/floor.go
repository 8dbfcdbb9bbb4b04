package raftstore

import (
	"sync"
	"time"

	"allocstore/store"
)

// The leader raises the floor of its entries this often, since a raise costs each store a page.
const (
	floorEntries  = 1000
	floorInterval = 10 * time.Second
	minRetention  = 4096 // entries below AppliedIndex that the floor leaves to conditions
)

// A floor is the highest Limits.Floor of all entries. Stores forget deletions below it, each in its own time, and a
// list's condition below it is a conflict on all of them.
type floor struct {
	mu     sync.Mutex
	last   uint64
	raised time.Time
}

// pass notes the floor of an entry that was applied.
func (f *floor) pass(at uint64) {
	if at == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = max(f.last, at)
}

// next returns the floor of the leader's next entry, or 0 to leave it.
func (f *floor) next(applied, retention uint64) uint64 {
	if applied <= retention {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	next, now := applied-retention, time.Now()
	if next <= f.last || next < f.last+floorEntries && now.Sub(f.raised) < floorInterval {
		return 0
	}
	f.last, f.raised = next, now
	return next
}

// retention returns how many entries the floor stays below AppliedIndex.
func retention(o *store.Options) uint64 {
	if o == nil || o.FeedRetention == 0 {
		return store.DefaultFeedRetention
	}
	return uint64(max(o.FeedRetention, minRetention))
}
