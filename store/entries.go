package store

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"allocstore/index"
	"allocstore/store/internal/plan"
)

// An Entry is one entry of a log that several stores apply. All of them get the same content and the
// same results.
type Entry struct {
	// Index is the entry's index in the log.
	Index uint64

	// Batch has the writes and conditions. Nil means an entry without any, such as the log's own
	// entries: it only moves AppliedIndex.
	Batch *Batch

	// Limits bound the batch. They belong to the entry since the Options of the stores may differ.
	Limits Limits

	// Mark marks a restore at Index: the entries before it have replaced the content, as an
	// operator's backup does. Every wait returns once with Restored. Snapshots and feeds from
	// before get ErrRestored, and readers that ask for changes before the mark get ErrCompacted.
	// LastIndex becomes Index. Batch is nil.
	Mark bool
}

// Limits are the limits of an entry. They mean the same on every store, so no option takes the
// place of a zero.
type Limits struct {
	// AllocationBytes and BatchBytes are as MaxAllocationBytes and MaxBatchBytes of Options. 0
	// means no limit, apart from 512 MiB for one write.
	AllocationBytes, BatchBytes int

	// Floor makes ExpectList equal on all stores, which have compacted up to different indexes: with
	// an index below the Floor it is a conflict on each of them. A Floor that is lower than that of
	// an earlier entry means that one. With Options.Replicated compaction keeps all changes above it.
	// It may not be above the entry's Index.
	Floor uint64
}

// Result is the result of an Entry.
type Result struct {
	Applied

	// Err says why the batch changes nothing: one of the errors of Apply that are due to the batch.
	// All stores refuse it with the same error, and the entry counts as applied.
	Err error

	// Skipped says that Index was not above AppliedIndex. The entry was applied before.
	Skipped bool
}

// ApplyEntries applies entries in the order of their indexes, which must rise; gaps are fine. They
// go to the disk in one commit, or in several if they are large. When it returns without an error,
// all entries are applied, and their changes are on the disk and visible to every reader. It blocks
// until then.
//
// A batch that is refused has its error in its Result, and the entries after it are applied. The
// results depend on the entries and the content alone: not on Options, on the grouping of the
// entries, on compaction or on a restart. So they are equal on all stores, and when a log is applied
// again from any index at or below AppliedIndex + 1.
//
// After an error exactly the entries up to AppliedIndex are applied, as their results say, which are
// returned with the error. The call may be repeated with all entries.
//
//   - ErrInvalid, if the indexes do not rise or are 0; ctx's error if it has ended; ErrReadOnly;
//     ErrClosed: nothing was applied, unless the store was closed meanwhile.
//   - ctx's error: ctx ended while some entries were queued.
//   - ErrNoSpace, ErrCorrupt: an entry cannot be applied by this store, because its disk is full or
//     the allocation is quarantined. Another store may apply it. With Options.Replicated ErrCorrupt
//     fails the store.
//   - ErrFailed, ErrDetached: the entries after AppliedIndex may be on the disk or not. Open
//     determines which, and a replica then applies the rest.
//
// The caller must not use the batches until ApplyEntries returns. Calls at the same time, or beside
// Apply, are applied in any order.
func (s *Store) ApplyEntries(ctx context.Context, entries []Entry) ([]Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkIndexes(entries); err != nil {
		return nil, err
	}
	rs, of := s.requestEntries(entries)
	defer s.forget(rs)
	if err := s.committer.enqueue(rs...); err != nil {
		return nil, err
	}
	return s.awaitEntries(ctx, rs, of)
}

// checkIndexes returns an error if the indexes do not rise.
func checkIndexes(entries []Entry) error {
	last := index.None
	for i := range entries {
		if at := entries[i].Index; at <= last {
			return fmt.Errorf("%w: entry %d of %d: index %d, after %d", ErrInvalid, i, len(entries), at, last)
		}
		last = entries[i].Index
	}
	if last == math.MaxUint64 {
		return fmt.Errorf("%w: entry %d: index %d: %w", ErrInvalid, len(entries)-1, last, index.ErrExhausted)
	}
	return nil
}

// requestEntries returns requests for the entries, and the call that they belong to.
func (s *Store) requestEntries(entries []Entry) ([]*request, *call) {
	rs, of := make([]*request, len(entries)), new(call)
	all := make([]entry, len(entries))
	for i := range entries {
		in, e, r := &entries[i], &all[i], s.requests.Get().(*request)
		*e = entry{call: of, index: in.Index, limits: in.Limits.plan(), floor: in.Limits.Floor, mark: in.Mark}
		if e.fault = in.check(&e.limits); e.floor > e.index {
			e.floor = 0 // the fault: the entry has no floor
		}
		r.batch, r.at, r.entry = in.Batch, &e.index, e
		rs[i] = r
	}
	return rs, of
}

// forget puts requests that were answered, or never queued, into the pool.
func (s *Store) forget(rs []*request) {
	for _, r := range rs {
		r.batch, r.at, r.entry = nil, nil, nil
		s.requests.Put(r)
	}
}

// awaitEntries returns the answers to the requests of a call. If ctx ends, it withdraws those that
// are still queued.
func (s *Store) awaitEntries(ctx context.Context, rs []*request, of *call) (results []Result, err error) {
	results = make([]Result, 0, len(rs))
	done := ctx.Done()
	for _, r := range rs {
		var a answer
		select {
		case a = <-r.answered:
		case <-done:
			s.committer.withdrawCall(of, ctx.Err())
			done = nil
			a = <-r.answered
		}
		if a.err != nil && !a.refused {
			err = cmp.Or(err, a.err)
		}
		if err == nil {
			results = append(results, Result{Applied: a.applied, Err: a.err, Skipped: a.skipped})
		}
	}
	return results, err
}

// plan returns the bounds of the batch.
func (l *Limits) plan() plan.Limits {
	return plan.Limits{
		AllocationBytes: min(cmp.Or(l.AllocationBytes, maxMaxAllocationBytes), maxMaxAllocationBytes),
		BatchBytes:      cmp.Or(l.BatchBytes, math.MaxInt),
		Of:              "Limits.",
	}
}

// check returns why the entry changes nothing, on any store, or nil.
func (e *Entry) check(limits *plan.Limits) error {
	switch l := &e.Limits; {
	case l.Floor > e.Index:
		return fmt.Errorf("%w: Limits.Floor is %d, above the entry's index %d", ErrInvalid, l.Floor, e.Index)
	case l.AllocationBytes < 0 || l.BatchBytes < 0:
		return fmt.Errorf("%w: Limits of %d and %d bytes", ErrInvalid, l.AllocationBytes, l.BatchBytes)
	case e.Mark && e.Batch != nil:
		return fmt.Errorf("%w: a Mark with a batch", ErrInvalid)
	case e.Batch == nil:
		return nil
	}
	return e.Batch.check(limits)
}
