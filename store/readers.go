package store

import "sync"

// readers are the indexes that somebody reads at: open snapshots, lists under
// way, feed readers at the index before the one that they ask for next, and reads
// of the file at the last index. Whatever the store wants to forget (IDs in lists,
// superseded records) it may forget up to the oldest of them.
type readers struct {
	mu struct {
		sync.Mutex // guards the rest; a leaf lock
		open       map[uint64]int

		// latest is where who enters is likely to be, and readers is how many are
		// there, who are not in open. Reads of the file come and go at the last
		// index, so they leave the map alone.
		latest  uint64
		readers int
	}
}

func newReaders() *readers {
	r := new(readers)
	r.mu.open = make(map[uint64]int)
	return r
}

// enter registers a reader at the index that last returns, and returns it. The
// index is read under the lock: whoever asks for the oldest afterwards either
// sees this reader, or had published everything up to its index before.
func (r *readers) enter(last func() uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	index := last()
	if index != r.mu.latest {
		if r.mu.readers > 0 {
			r.mu.open[r.mu.latest] = r.mu.readers
		}
		r.mu.latest, r.mu.readers = index, r.mu.open[index]
		delete(r.mu.open, index)
	}
	r.mu.readers++
	return index
}

// leave is the end of a reader at index.
func (r *readers) leave(index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index == r.mu.latest {
		r.mu.readers--
	} else if r.mu.open[index]--; r.mu.open[index] == 0 {
		delete(r.mu.open, index)
	}
}

// oldest returns the index up to which the past may be forgotten: the lowest
// that somebody reads at, or last, the store's last index as it was before the
// call, which whoever enters later gets at the least.
func (r *readers) oldest(last uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.oldestLocked(last)
}

func (r *readers) oldestLocked(last uint64) uint64 {
	oldest := last
	if r.mu.readers > 0 {
		oldest = min(oldest, r.mu.latest)
	}
	for index := range r.mu.open {
		oldest = min(oldest, index)
	}
	return oldest
}

// forget calls do with what oldest returns, and lets nobody enter meanwhile: who
// enters later sees what do has forgotten.
func (r *readers) forget(last uint64, do func(oldest uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(r.oldestLocked(last))
}

func (r *readers) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.mu.readers
	for _, count := range r.mu.open {
		n += count
	}
	return n
}
