package store

import (
	"sync"
	"sync/atomic"
)

// A tally knows how many bytes the log holds, how many of them the newest
// versions need, and where in the log its latest so many changes begin. The
// committer and Open write it; anybody reads it.
type tally struct {
	log  atomic.Int64 // bytes of all records, keys included
	live atomic.Int64 // of these, what the newest versions consist of, tombstones too
	jobs atomic.Int64 // bytes of all jobs, keys included

	mu struct {
		sync.Mutex // guards the rest; a leaf lock
		written    mark
		marks      []mark // some of the past values of written, in order
		every      int64  // how many records lie between two marks at the least
	}
}

// A mark says how much had been written when a batch was complete. What
// compaction removes is not taken off.
type mark struct {
	index   uint64
	records int64
	bytes   int64
}

// markEvery is how many records lie between two marks at first, where that is not much
// beside the changes that are asked for; see thin.
const markEvery = 1024

// mostMarks is how many marks there are before every other one is dropped.
const mostMarks = 8192

func newTally(changes int) *tally {
	t := new(tally)
	t.mu.every = 1 + min(int64(changes)/16, markEvery-1)
	return t
}

// wrote counts a batch: so many records, which take so many bytes.
func (t *tally) wrote(index uint64, records int, bytes int64) {
	t.log.Add(bytes)
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.mu.written
	w.index, w.records, w.bytes = index, w.records+int64(records), w.bytes+bytes
	if n := len(t.mu.marks); n > 0 && w.records-t.mu.marks[n-1].records < t.mu.every {
		return
	}
	if t.mu.marks = append(t.mu.marks, *w); len(t.mu.marks) >= mostMarks {
		t.thin()
	}
}

// thin drops every other mark, and doubles the distance of those to come.
func (t *tally) thin() {
	marks := t.mu.marks
	for i := range len(marks) / 2 {
		marks[i] = marks[2*i]
	}
	t.mu.marks = marks[:len(marks)/2]
	t.mu.every *= 2
}

// before returns the highest index that is known to be followed by at least that
// many changes and is not above limit, or 0, and how many bytes follow it. The marks
// before it are dropped, for what it is asked for mostly rises.
func (t *tally) before(changes int, limit uint64) (index uint64, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	marks, written := t.mu.marks, t.mu.written
	best := -1
	for i := range marks {
		if written.records-marks[i].records < int64(changes) || marks[i].index > limit {
			break
		}
		best = i
	}
	if best < 0 {
		return 0, written.bytes
	}
	t.mu.marks = append(marks[:0], marks[best:]...)
	return t.mu.marks[0].index, written.bytes - t.mu.marks[0].bytes
}

// dead is how many bytes of the log no newest version needs.
func (t *tally) dead() int64 { return max(t.log.Load()-t.live.Load(), 0) }

// become takes over the counts of another, which nobody else uses.
func (t *tally) become(o *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.Store(o.log.Load())
	t.live.Store(o.live.Load())
	t.jobs.Store(o.jobs.Load())
	t.mu.written, t.mu.marks, t.mu.every = o.mu.written, o.mu.marks, o.mu.every
}
