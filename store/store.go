package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/watch"
)

// Store is an open store. All its methods may be called from any number of
// goroutines.
//
// Its parts, and who writes them:
//
//	file       the bbolt database         the committer; anybody reads, in short transactions
//	sweeper    what may be removed        the sweeper; the committer removes it
//	table      ID to newest version       the committer; anybody reads, without a lock
//	lists      node, job, eval to IDs     the committer, and whoever ends the oldest reader
//	jobs       hash to job                the committer
//	index      the last published index   the committer
//	watch      waiters by ID              waiters, and the committer
//	readers    indexes being read at      snapshots, lists and feed readers
//
// The committer publishes a batch in this order, and every reader relies on it:
// versions into the table and IDs into the lists; then the index; then the
// waiters of each ID are notified; then the writer is answered. So
//
//   - who sees LastIndex at i finds in the table every version up to i;
//   - who registers as a waiter and then looks at the table either sees the
//     version or is notified of it afterwards;
//   - who was answered sees its own write, and so does everybody it tells.
//
// Locks: lists.mu, readers.mu, jobs.mu, tail.mu, tally.mu, quarantine.mu, the
// committer's queue, the shards of the table and those of watch are all leaves:
// nothing is taken while one is held. One comes before them: the table's hand, held
// while it evicts.
type Store struct {
	file     *file
	pathLock *os.File // nil if there is none
	opts     Options

	table   *table
	lists   *lists
	jobs    *jobs
	shared  schema.Shared // strings of what is decoded
	index   index.Index
	watch   *watch.Registry
	tail    tail
	readers *readers

	mutations *mutations // nil without Options.DetectMutation

	quarantine quarantine

	committer *committer
	sweeper   *sweeper

	// The committer's, and while it does not run that of Open and Close: what the file
	// holds, and whether it lacks what file.settle leaves there.
	holds     contents
	unsettled bool

	tally *tally

	// floor is the index up to which deletions and superseded changes may have been
	// forgotten: set by Open and by Restore, raised by the sweeper. restored is the index
	// of the last restore: set by Open and by Restore. Each is 0 before its first time.
	floor, restored atomic.Uint64

	// restoring is set while a restore exchanges the content. Who reads as of an
	// index, or from the file, looks afterwards at this and at restored.
	restoring atomic.Bool

	// requests and waiters are kept for their channels; the store's own, so that
	// a store in a synctest bubble does not hand its channels to one outside.
	requests, waiters sync.Pool

	failure atomic.Pointer[error] // why the store failed; nil as long as it has not
	counts  counts

	closing sync.Once
	closed  atomic.Bool
	life    context.Context // ended by Close: for whoever blocks
	end     context.CancelFunc
}

// LastIndex returns the index of the last write that is durable and visible, at
// least 1. It does not block.
func (s *Store) LastIndex() uint64 { return s.index.Last() }

// Close closes the store and loses nothing: every answered write is on the disk.
// Writes that the committer has begun are finished and answered; writes that are
// queued, waits, snapshots and feeds get ErrClosed, as does whoever comes later.
// Close waits for reads that are under way, and returns what closing the file
// returned. Calling it again does nothing and returns nil.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.closed.Store(true)
		s.committer.stop()
		s.watch.Broadcast(watch.Signal{Kind: watch.Closed, Err: ErrClosed})
		s.end()
		s.sweeper.stop()
		if s.failed() == nil && s.unsettled && !s.opts.ReadOnly {
			err = s.file.settle(&s.holds, int(s.counts.allocations.Load()+s.counts.tombstones.Load()))
		}
		err = errors.Join(err, s.file.close(), unlockPath(s.pathLock, &s.opts))
		if s.mutations != nil {
			err = errors.Join(err, s.mutations.found())
		}
	})
	return err
}

// Get returns the allocation. The ID may be in either case.
//
// The allocation is shared with everybody who reads it and must not be changed;
// see (*schema.Allocation).Clone. It never changes either: a later write makes a
// new one. Get blocks, and allocates memory, only when it has to read the file: when
// nobody has read the allocation since it was last written, or Options.ResidentBytes
// has had it dropped.
//
// Errors: ErrNotFound; ErrInvalidID; ErrClosed; ErrCorrupt if the allocation is
// quarantined, or the file is found to be damaged; ErrMutated.
func (s *Store) Get(id string) (*schema.Allocation, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	v, a := s.table.resident(&parsed)
	switch {
	case a == nil && (v == nil || v.tombstone()):
		return nil, notFound(parsed)
	case a == nil:
		a, err = s.read(parsed)
	default:
		s.hit()
	}
	if s.mutations != nil {
		return s.handOut(a, err)
	}
	return a, err
}

// hitSample is how many reads each counted one stands for.
const hitSample = 64

// hit counts a read that found the allocation decoded, some of the time, where
// somebody may want to know: to count each would cost more than the read.
func (s *Store) hit() {
	if s.opts.ResidentBytes > 0 && rand.Uint32()%hitSample == 0 {
		s.counts.hits.Add(hitSample)
	}
}

// read returns the newest allocation of id from the file. As long as it is
// registered as a reader, no compaction takes the version away that it finds. What it
// finds while a restore exchanges the content may be neither here nor there.
func (s *Store) read(id schema.ID) (a *schema.Allocation, err error) {
	for {
		at := s.readers.enter(s.index.Last)
		if v := s.table.get(&id); v == nil || v.tombstone() {
			a, err = nil, notFound(id)
		} else {
			a, err = s.decode(id, v)
		}
		restored := s.since(at) != nil
		s.readers.leave(at)
		if !restored {
			return a, err
		}
		runtime.Gosched()
	}
}

func notFound(id schema.ID) error { return fmt.Errorf("%w: %v", ErrNotFound, id) }

// decode returns the allocation of v, which is not a tombstone, and makes it
// resident. The caller is a reader at an index at which v is to be had.
func (s *Store) decode(id schema.ID, v *version) (a *schema.Allocation, err error) {
	if a := v.current(); a != nil {
		s.hit()
		return a, nil
	}
	s.counts.misses.Add(1)
	known, p := knowledge{v.alloc.Load(), v.job}, v.pair()
	err = s.file.view(func(r reading) (err error) {
		a, err = s.assemble(r, id, p, known)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("allocation %v: %w", id, err)
	}
	if s.restoring.Load() {
		return a, nil // of which it cannot be said whose it is
	}
	a = s.table.fill(&id, v, a)
	if limit := s.opts.ResidentBytes; limit > 0 {
		s.table.evict(limit)
	}
	return a, nil
}

// ByNode returns the allocations placed on that node, in the order of their IDs,
// all at the index at which the iteration begins. See [Snapshot.ByNode].
func (s *Store) ByNode(nodeID string) Allocations { return s.list(listQuery(byNode, nodeID)) }

// ByJob returns the allocations of that job. See [Snapshot.ByJob].
func (s *Store) ByJob(jobID string) Allocations { return s.list(listQuery(byJob, jobID)) }

// ByEval returns the allocations that an evaluation placed. See [Snapshot.ByEval].
func (s *Store) ByEval(evalID string) Allocations { return s.list(listQuery(byEval, evalID)) }

// ByPrefix returns the allocations whose ID starts with prefix. See
// [Snapshot.ByPrefix].
func (s *Store) ByPrefix(prefix string) Allocations { return s.list(prefixQuery(prefix)) }

// All returns every allocation. See [Snapshot.All].
func (s *Store) All() Allocations { return s.list(prefixQuery("")) }

// list runs q on a snapshot of its own.
func (s *Store) list(q query) Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		sn, err := s.Snapshot()
		if err != nil {
			yield(nil, err)
			return
		}
		defer sn.Close()
		sn.list(q)(yield)
	}
}

// Upsert applies a batch of scheduler's writes. See [Batch.Upsert] and [Store.Apply].
func (s *Store) Upsert(ctx context.Context, allocs ...*schema.Allocation) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) {
		for _, a := range allocs {
			b.Upsert(a)
		}
	})
}

// UpdateFromClient applies a batch of client's writes. See
// [Batch.UpdateFromClient] and [Store.Apply].
func (s *Store) UpdateFromClient(ctx context.Context, allocs ...*schema.Allocation) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) {
		for _, a := range allocs {
			b.UpdateFromClient(a)
		}
	})
}

// AppendTaskEvent applies a batch of one event. See [Batch.AppendTaskEvent] and
// [Store.Apply].
func (s *Store) AppendTaskEvent(ctx context.Context, allocID, task, state string, ev schema.TaskEvent) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) { b.AppendTaskEvent(allocID, task, state, ev) })
}

// Delete applies a batch of deletions. See [Batch.Delete] and [Store.Apply].
func (s *Store) Delete(ctx context.Context, ids ...string) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) {
		for _, id := range ids {
			b.Delete(id)
		}
	})
}

// untilClosed returns a context that ends with ctx, or with the store, and then has the
// cause ErrClosed. Call stop when it is no longer needed.
func (s *Store) untilClosed(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// causeOf returns why ctx has ended, if it has, in place of an error that came of that.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// failed returns why the store has failed, or nil.
func (s *Store) failed() error {
	if failure := s.failure.Load(); failure != nil {
		return *failure
	}
	return nil
}

// fail makes the store failed for good: whatever the cause, whether the commit
// is on the disk is not known (design/0005). Only the committer calls it.
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("%w: commit: %w", ErrFailed, cause)
	s.failure.Store(&err)
	s.watch.Broadcast(watch.Signal{Kind: watch.Failed, Err: err})
	s.tail.wake()
	return err
}
