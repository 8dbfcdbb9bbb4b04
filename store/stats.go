package store

import "sync/atomic"

// Stats are counts of what the store holds and has done. They are read one after
// the other and not at one index.
type Stats struct {
	LastIndex   uint64
	Floor       uint64 // compaction may have removed the changes up to this index; 0 if it has removed none
	Allocations int    // that are not deleted
	Tombstones  int    // deleted IDs that are remembered
	Jobs        int    // distinct jobs
	Waiters     int    // blocked readers
	Readers     int    // open snapshots, lists under way, feed readers
	FileBytes   int64  // size of the file, free pages included; 0 if it could not be found out
	LiveBytes   int64  // of the records that the newest versions need, and of the jobs
	DeadBytes   int64  // of all other records: the past, which compaction removes
	Damaged     int    // records and jobs whose content is not what was written, superseded ones included
	Quarantined int    // allocations that cannot be read because of that; see ErrCorrupt

	// ResidentBytes is about how much memory the decoded allocations take, without
	// their jobs, which they share.
	ResidentBytes int64

	// Since Open:

	Commits uint64 // transactions, each for a group of batches
	Batches uint64 // batches that changed something
	Writes  uint64 // records, one for each allocation that a batch changed
	Passes  uint64 // of compaction over the log
	Hits    uint64 // reads that found the allocation decoded; an estimate, and 0 without Options.ResidentBytes
	Misses  uint64 // reads that had to decode it
}

// counts are the counters behind Stats.
type counts struct {
	allocations, tombstones  atomic.Int64
	quarantined              atomic.Int64
	commits, batches, writes atomic.Uint64
	passes, hits, misses     atomic.Uint64
}

// Stats returns the store's counts. It does not block. A closed store has them
// too, but for FileBytes.
func (s *Store) Stats() Stats {
	return Stats{
		LastIndex:     s.index.Last(),
		Floor:         s.floor.Load(),
		Allocations:   int(s.counts.allocations.Load()),
		Tombstones:    int(s.counts.tombstones.Load()),
		Jobs:          s.jobs.len(),
		Waiters:       s.watch.Len(),
		Readers:       s.readers.len(),
		FileBytes:     s.file.size(),
		LiveBytes:     s.tally.live.Load() + s.tally.jobs.Load(),
		DeadBytes:     s.tally.dead(),
		Damaged:       s.quarantine.size(),
		Quarantined:   int(s.counts.quarantined.Load()),
		ResidentBytes: s.table.residentBytes.Load(),
		Commits:       s.counts.commits.Load(),
		Batches:       s.counts.batches.Load(),
		Writes:        s.counts.writes.Load(),
		Passes:        s.counts.passes.Load(),
		Hits:          s.counts.hits.Load(),
		Misses:        s.counts.misses.Load(),
	}
}
