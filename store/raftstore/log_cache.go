package raftstore

import (
	"sync"

	"github.com/hashicorp/raft"
)

// cacheBytes bounds the bytes of the entries that a node keeps in memory. Batches of a thousand placements have a megabyte
// each: raft's own cache, which counts entries alone, would keep a gigabyte of them.
const cacheBytes = 32 << 20

// A logCache is a raft.LogStore that keeps the latest entries in memory, for the FSM and for the followers.
type logCache struct {
	*guardedLog
	mu struct {
		sync.Mutex
		ring  []*raft.Log // by index modulo its length
		next  uint64      // the oldest entry that is kept is at or above it; 0 if none is
		last  uint64      // the newest one
		bytes int
	}
}

func newLogCache(entries int, l *guardedLog) *logCache {
	c := &logCache{guardedLog: l}
	c.mu.ring = make([]*raft.Log, max(1, entries))
	return c
}

// GetLog reads an entry.
func (c *logCache) GetLog(index uint64, log *raft.Log) error {
	c.mu.Lock()
	kept := c.mu.ring[index%uint64(len(c.mu.ring))]
	c.mu.Unlock()
	if kept != nil && kept.Index == index {
		*log = *kept
		return nil
	}
	return c.guardedLog.GetLog(index, log)
}

// StoreLog is StoreLogs of one entry.
func (c *logCache) StoreLog(log *raft.Log) error { return c.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries.
func (c *logCache) StoreLogs(logs []*raft.Log) error {
	if err := c.guardedLog.StoreLogs(logs); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range logs {
		if log.Index != c.mu.last+1 {
			c.clearLocked()
			c.mu.next = log.Index
		}
		c.putLocked(log.Index, log)
		c.mu.last = log.Index
		for c.mu.bytes > cacheBytes && c.mu.next < c.mu.last {
			oldest := c.mu.next
			c.putLocked(oldest, nil)
			c.mu.next = oldest + 1
		}
	}
	return nil
}

// DeleteRange removes entries.
func (c *logCache) DeleteRange(low, high uint64) error {
	c.mu.Lock()
	c.clearLocked()
	c.mu.Unlock()
	return c.guardedLog.DeleteRange(low, high)
}

func (c *logCache) clearLocked() {
	clear(c.mu.ring)
	c.mu.bytes, c.mu.next, c.mu.last = 0, 0, 0
}

// putLocked sets the slot of an index, nil for none. The entry that was there is forgotten.
func (c *logCache) putLocked(index uint64, log *raft.Log) {
	slot := &c.mu.ring[index%uint64(len(c.mu.ring))]
	if *slot != nil {
		c.mu.bytes -= len((*slot).Data)
		c.mu.next = max(c.mu.next, (*slot).Index+1)
	}
	if *slot = log; log != nil {
		c.mu.bytes += len(log.Data)
	}
}
