package readers

import "sync"

// A Set has the indexes that are being read at: those of open snapshots and running
// lists, the index before the next one of each feed, and the last index for reads of the
// file. Compaction and the lists may forget the past up to the oldest of them. Its zero value
// is empty.
type Set struct {
	mu struct {
		sync.Mutex // guards the rest; a leaf lock

		// open has the number of readers at each index apart from latest; nil before the first.
		open map[uint64]int

		// latest is the index at which the last reader entered, and here is the number of
		// readers there, which are not in open. Reads of the file come and go at the last
		// index, so they leave the map alone.
		latest uint64
		here   int
	}
}

// Enter registers a reader at the index that last returns, and returns it. last is called
// under the lock, so Oldest, given an index read before its call, never passes a reader that
// enters later.
func (s *Set) Enter(last func() uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	index := last()
	if index != s.mu.latest {
		if s.mu.here > 0 {
			if s.mu.open == nil {
				s.mu.open = make(map[uint64]int)
			}
			s.mu.open[s.mu.latest] = s.mu.here
		}
		s.mu.latest, s.mu.here = index, s.mu.open[index]
		delete(s.mu.open, index)
	}
	s.mu.here++
	return index
}

// Leave ends a reader at an index.
func (s *Set) Leave(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index == s.mu.latest {
		s.mu.here--
	} else if s.mu.open[index]--; s.mu.open[index] == 0 {
		delete(s.mu.open, index)
	}
}

// Oldest returns the index up to which the past may be forgotten: the lowest one that is
// read at, or last. The caller has read last, the store's last index, before the call, so
// no later reader enters below it.
func (s *Set) Oldest(last uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldestLocked(last)
}

func (s *Set) oldestLocked(last uint64) uint64 {
	oldest := last
	if s.mu.here > 0 {
		oldest = min(oldest, s.mu.latest)
	}
	for index := range s.mu.open {
		oldest = min(oldest, index)
	}
	return oldest
}

// WithOldest calls do with the result of Oldest. No reader enters meanwhile, so every later one
// sees the effect of do.
func (s *Set) WithOldest(last uint64, do func(oldest uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.oldestLocked(last))
}

// Len returns the number of readers.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.mu.here
	for _, count := range s.mu.open {
		n += count
	}
	return n
}
