package store

import "errors"

// Stats are numbers about the store's content and its work. They are read one after the
// other and not at one index.
type Stats struct {
	LastIndex   uint64
	Floor       uint64 // compaction may have removed changes up to this index; 0 before the first removal
	Allocations int    // existing ones
	Tombstones  int    // deleted IDs that are remembered
	Jobs        int    // distinct jobs
	Waiters     int    // blocked readers
	Readers     int    // open snapshots, running lists, feeds, and reads of the file
	FileBytes   int64  // size of the file, free pages included; 0 if it cannot be determined
	LiveBytes   int64  // of the records that the newest versions need, and of the jobs
	DeadBytes   int64  // of all other records, which compaction removes
	Damaged     int    // records and jobs with damaged content, superseded ones included
	Quarantined int    // allocations that cannot be read because of that; see ErrCorrupt
	Detached    bool   // the file was removed or replaced, which is noticed within some seconds; see ErrDetached

	// ResidentBytes is about how much memory the decoded allocations take, without their
	// jobs, which they share.
	ResidentBytes int64

	// Since Open:

	Commits uint64 // transactions, each for a group of batches or for removals
	Batches uint64 // batches that changed something
	Writes  uint64 // records, one for each allocation that a batch changed
	Passes  uint64 // of compaction over the log
	Hits    uint64 // reads that found the allocation decoded, waits aside; an estimate, and 0 without Options.ResidentBytes
	Misses  uint64 // reads that had to decode the allocation
}

// Stats returns the store's numbers. It does not block. A closed store has them too, except
// FileBytes.
func (s *Store) Stats() Stats {
	st := s.state.Load()
	return Stats{
		LastIndex:     st.Index.Last(),
		Floor:         st.Floor.Load(),
		Allocations:   int(st.Counts.Allocations.Load()),
		Tombstones:    int(st.Counts.Tombstones.Load()),
		Jobs:          st.Jobs.Len(),
		Waiters:       s.watch.Len(),
		Readers:       s.readers.Len(),
		FileBytes:     st.File.Size(),
		LiveBytes:     st.Size.Live.Load() + st.Size.Jobs.Load(),
		DeadBytes:     st.Size.Dead(),
		Damaged:       st.Damaged.Len(),
		Quarantined:   int(st.Counts.Quarantined.Load()),
		Detached:      errors.Is(s.failed(), ErrDetached),
		ResidentBytes: st.Table.ResidentBytes(),
		Commits:       s.counts.commits.Load(),
		Batches:       s.counts.batches.Load(),
		Writes:        s.counts.writes.Load(),
		Passes:        s.sweeper.Passes(),
		Hits:          s.counts.hits.Load(),
		Misses:        s.counts.misses.Load(),
	}
}
