package store

import "sync"

// readers are the indexes that are being read at: those of open snapshots and running
// lists, the index before the next one of each feed, and the last index for reads of the
// file. Compaction and the lists may forget the past up to the oldest of them.
type readers struct {
	mu struct {
		sync.Mutex // guards the rest; a leaf lock
		open       map[uint64]int

		// latest is the index at which the last reader entered, and here is the number of
		// readers there, which are not in open. Reads of the file come and go at the last
		// index, so they leave the map alone.
		latest uint64
		here   int
	}
}

func (r *readers) init() { r.mu.open = make(map[uint64]int) }

// enter registers a reader at the index that last returns, and returns it. last is called
// under the lock, so oldest, given an index read before its call, never passes a reader that
// enters later.
func (r *readers) enter(last func() uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	index := last()
	if index != r.mu.latest {
		if r.mu.here > 0 {
			r.mu.open[r.mu.latest] = r.mu.here
		}
		r.mu.latest, r.mu.here = index, r.mu.open[index]
		delete(r.mu.open, index)
	}
	r.mu.here++
	return index
}

// leave ends a reader at an index.
func (r *readers) leave(index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index == r.mu.latest {
		r.mu.here--
	} else if r.mu.open[index]--; r.mu.open[index] == 0 {
		delete(r.mu.open, index)
	}
}

// oldest returns the index up to which the past may be forgotten: the lowest one that is
// read at, or last. The caller has read last, the store's last index, before the call, so
// no later reader enters below it.
func (r *readers) oldest(last uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.oldestLocked(last)
}

func (r *readers) oldestLocked(last uint64) uint64 {
	oldest := last
	if r.mu.here > 0 {
		oldest = min(oldest, r.mu.latest)
	}
	for index := range r.mu.open {
		oldest = min(oldest, index)
	}
	return oldest
}

// withOldest calls do with the result of oldest. No reader enters meanwhile, so every later one
// sees the effect of do.
func (r *readers) withOldest(last uint64, do func(oldest uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(r.oldestLocked(last))
}

// len returns the number of readers.
func (r *readers) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.mu.here
	for _, count := range r.mu.open {
		n += count
	}
	return n
}
