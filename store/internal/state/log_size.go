package state

import (
	"sync"
	"sync/atomic"
)

// A LogSize counts the bytes of the log, and knows where in the log its latest changes
// begin. The committer and Open write it; any goroutine reads it.
type LogSize struct {
	Log  atomic.Int64 // bytes of all records, keys included
	Live atomic.Int64 // of these, the bytes that the newest versions need, tombstones too
	Jobs atomic.Int64 // bytes of all jobs, keys included

	mu struct {
		sync.Mutex  // guards the rest; a leaf lock
		written     checkpoint
		checkpoints []checkpoint // some of the past values of written, in order
		distance    int64        // how many records lie between two checkpoints at least
	}
}

// A checkpoint says how much had been written when a batch was complete. Compaction does
// not lower it.
type checkpoint struct {
	index   uint64
	records int64
	bytes   int64
}

const (
	// checkpointDistance is the number of records between two checkpoints at first, if that
	// is little beside the number of changes given to RetainedFrom.
	checkpointDistance = 1024

	// maxCheckpoints bounds the number of checkpoints; then every other one is dropped.
	maxCheckpoints = 8192
)

// init prepares s for calls of RetainedFrom with that number of changes.
func (s *LogSize) init(changes int) {
	s.mu.distance = 1 + min(int64(changes)/16, checkpointDistance-1)
}

// Wrote counts a batch with its number of records and their bytes.
func (s *LogSize) Wrote(index uint64, records int, bytes int64) {
	s.Log.Add(bytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.mu.written
	w.index, w.records, w.bytes = index, w.records+int64(records), w.bytes+bytes
	if n := len(s.mu.checkpoints); n > 0 && w.records-s.mu.checkpoints[n-1].records < s.mu.distance {
		return
	}
	if s.mu.checkpoints = append(s.mu.checkpoints, *w); len(s.mu.checkpoints) >= maxCheckpoints {
		s.thinOutLocked()
	}
}

// thinOutLocked drops every other checkpoint, and doubles the distance of new ones.
func (s *LogSize) thinOutLocked() {
	all := s.mu.checkpoints
	for i := range len(all) / 2 {
		all[i] = all[2*i]
	}
	s.mu.checkpoints = all[:len(all)/2]
	s.mu.distance *= 2
}

// RetainedFrom returns the highest index that is known to be followed by at least that many
// changes and is not above limit, or 0; and the bytes that follow it. It drops the
// checkpoints before that index, since the answer rarely falls.
func (s *LogSize) RetainedFrom(changes int, limit uint64) (index uint64, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, written := s.mu.checkpoints, s.mu.written
	best := -1
	for i := range all {
		if written.records-all[i].records < int64(changes) || all[i].index > limit {
			break
		}
		best = i
	}
	if best < 0 {
		return 0, written.bytes
	}
	s.mu.checkpoints = append(all[:0], all[best:]...)
	return s.mu.checkpoints[0].index, written.bytes - s.mu.checkpoints[0].bytes
}

// Dead returns the bytes of the log that no newest version needs.
func (s *LogSize) Dead() int64 { return max(s.Log.Load()-s.Live.Load(), 0) }

// A batchCounter counts records of the log batch by batch.
type batchCounter struct {
	size    *LogSize
	index   uint64 // of the batch
	records int
	bytes   int64
}

// add counts a record. Those of a batch follow each other.
func (c *batchCounter) add(index uint64, bytes int) {
	if index != c.index {
		c.end()
		c.index = index
	}
	c.records++
	c.bytes += int64(bytes)
}

// end counts the latest batch, which is complete.
func (c *batchCounter) end() {
	if c.records > 0 {
		c.size.Wrote(c.index, c.records, c.bytes)
	}
	c.records, c.bytes = 0, 0
}
