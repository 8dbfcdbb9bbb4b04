package store

import (
	"errors"
	"sync"

	"allocstore/store/internal/state"
	"allocstore/watch"
)

// Store is an open store. All its methods may be called from any number of goroutines.
//
// It is a core, which all parts share, and the two goroutines that work on it: the
// committer writes batches, and the sweeper finds records for compaction to remove. Each API has
// a file: get.go, snapshot.go, wait.go, wait_list.go, changes.go, follow.go, apply.go, entries.go,
// applied.go, list.go, compact.go, check.go, backup.go, restore.go, catch_up.go, stats.go.
type Store struct {
	core

	committer *committer
	sweeper   *sweeper
	lookout   *lookout

	// requests and waiters are pooled for their channels. The pools are the store's own, so
	// that a store in a synctest bubble does not hand its channels to another one.
	requests, waiters sync.Pool

	closing sync.Once
}

// newStore returns a store on a state. Its goroutines do not run yet.
func newStore(o Options, st *state.State) *Store {
	s := new(Store)
	s.core.init(o, st)
	s.requests.New = newRequest
	s.waiters.New = func() any { return watch.NewWaiter() }
	s.committer = newCommitter(newGroupWriter(&s.core).env(), o.ReadOnly)
	s.lookout = &lookout{c: &s.core, committer: s.committer}
	s.sweeper = newSweeper(&s.core, s.committer, s.lookout)
	st.File.OnFault(s.lookout.fault)
	return s
}

// LastIndex returns the index of the last write that is durable and visible, at least 1.
// It does not block.
func (s *Store) LastIndex() uint64 { return s.state.Load().Index.Last() }

// Digest returns the last index and a digest of the content at it. Stores with equal allocations
// have equal digests, whatever was written before, deleted, compacted, restored or opened again.
// All fields of an allocation count, its indexes too; a deletion leaves nothing. So replicas that
// have applied the same batches at the same indexes compare their digests of an equal index to find
// a fault.
//
// A digest is a sum of 64-bit numbers of checksums: it finds accidents, with one in 2^32 missed,
// and is no proof against deliberate changes. A quarantined allocation counts without its damaged
// content (see ErrCorrupt). A release that stores fields differently may compute other digests.
//
// Digest takes some tens of nanoseconds and does not wait for writes. A closed store has it too.
func (s *Store) Digest() (index, digest uint64) { return s.state.Load().Digest() }

// Err returns why the store takes no more writes and waits, or nil if it is well: ErrFailed with its
// cause, or ErrDetached, also after Close; or ErrClosed. It does not block.
func (s *Store) Err() error {
	if err := s.failed(); err != nil {
		return err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	return nil
}

// replaceable returns why the file cannot be replaced, or nil.
func (s *Store) replaceable() error {
	if err := s.Err(); err != nil || !s.opts.ReadOnly {
		return err
	}
	return ErrReadOnly
}

// Close closes the store and loses nothing: every answered write is on the disk, and AppliedIndex
// is made durable. The group of writes under way is finished and answered. Queued writes, waits,
// snapshots and feeds get ErrClosed, as does every later call except LastIndex, AppliedIndex,
// Digest and Stats. Close blocks until running reads and maintenance have ended. It returns why the
// store has failed, if it has (see Err); the error of closing the file; ErrNoSpace if AppliedIndex
// could not be written; or ErrMutated. Calling it again does nothing and returns nil.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.closed.Store(true)
		s.committer.stop()
		s.watch.Broadcast(watch.Signal{Kind: watch.Closed, Err: ErrClosed})
		s.end()
		s.sweeper.stop()
		st := s.state.Load()
		s.lookout.look()
		if err = s.failed(); err == nil && !s.opts.ReadOnly {
			err = errors.Join(s.saveApplied(), st.File.Settle(&st.Manifest, st.IDs()))
		}
		err = errors.Join(err, st.File.Close(), s.mutations.Found())
	})
	return err
}
