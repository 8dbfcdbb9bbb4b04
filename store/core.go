package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/mutation"
	"allocstore/store/internal/readers"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// A core is shared by all parts of a store. These of its fields are written
// by several parts:
//
//	state      one file's content in memory     the committer; see state.State
//	readers    the indexes being read at        snapshots, lists, feeds, reads of the file
//	watch      waiters by ID                    waiters, and the committer
//	tail       feeds that wait for a commit     feeds, and the committer
//	applied    waits for the applied index      WaitApplied, and the committer
//	mutations  what was handed out              every reader, with Options.DetectMutation
//
// The committer publishes a batch in this order, and every reader relies on it: versions
// into the table and IDs into the lists; then the index; then the waiters of each ID are
// notified; then the writer is answered. So
//
//   - a reader that sees LastIndex at i finds in the table every version up to i;
//   - a waiter that registers and then looks at the table either sees the version or is
//     notified of it afterwards;
//   - a writer that was answered sees its own write, as does every goroutine that it tells.
//
// When all batches of a group are published, the applied index is raised to the highest index that a
// caller gave, then the waits for it end, then the callers are answered. The applied index is the only
// trace of a batch or an entry that changed nothing. So
//
//   - a reader that sees the applied index at i, or whose WaitApplied(i) has returned, finds in the
//     table every version that an entry up to i made, and LastIndex at the last of them: these were
//     published before, in the same group or an earlier one. AppliedIndex also counts LastIndex, below
//     which everything is published, so it is never lower;
//   - WaitApplied enters the gate and then reads the applied index: either it sees the index, or the
//     committer, which raises the index first and then looks into the gate, ends the wait.
//
// The disk is never ahead of the content: an applied index is written in the transaction of its own
// group's records, or in a later one. It may be behind, by entries that changed nothing. These are
// applied again after a crash, and change nothing again. See logfile.Note for how the file keeps it,
// and saveApplied.
//
// A mark (Entry.Mark) tells of a restore on the state in use. It has an index of its own, at which
// nothing changes. The committer raises the floor, then Restored, then the index, then notifies all
// waiters. So the index never shows a mark that Restored does not. A reader that finds Restored
// above the last index that it has read, reads that again; one that finds it at or below sees both
// or neither. A snapshot with an index below Restored is from before the mark, as is a feed that
// began after such an index.
//
// A restore or CatchUp exchanges the state by one store of the pointer, then notifies all waiters
// and feeds. A reader loads the pointer once. If it finds another state afterwards, it was reading
// content that is no longer the store's, and calls follow. After a restore the reader ends: the
// index of the restore is above all that were read before. After CatchUp it goes on: the new state
// has the same history, so at the reader's index it has the same content, unless its floor is
// higher. The content that the reader had in memory stays right, since the old state does not
// change any more; the old file is closed, so a failed read is repeated.
//
// Locks: those of readers, tail and mutations, the committer's queue, those of watch and those
// inside the state are leaves; no lock is acquired while one is held. The evictor's lock of
// the state's table comes before those of the table's shards. The maintenance lock comes
// before all.
type core struct {
	opts    Options
	state   atomic.Pointer[state.State]
	readers readers.Set
	watch   *watch.Registry
	tail    readers.Tail
	applied readers.Gate
	counts  counts

	mutations *mutation.Detector // nil without Options.DetectMutation

	// maintenance is held by a pass of the sweeper, and by Compact, Check, Restore and Install.Apply:
	// nothing is forgotten and no file is replaced meanwhile. A backup does without; see Backup.pin.
	maintenance maintenanceLock
	sweepDue    chan struct{} // wakes the sweeper

	failure atomic.Pointer[error] // why the store failed; nil if it has not
	closed  atomic.Bool
	life    context.Context // ends when the store closes
	end     context.CancelFunc
}

// counts count the store's work since Open; see Stats.
type counts struct {
	commits, batches, writes atomic.Uint64
	hits, misses             atomic.Uint64
}

// A maintenanceLock is held by one goroutine at a time. Acquiring it can be canceled.
type maintenanceLock chan struct{}

// lock blocks until the lock is free. It returns ctx's error if ctx ends first.
func (l maintenanceLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l maintenanceLock) unlock() { <-l }

func (c *core) init(o Options, st *state.State) {
	c.opts = o
	c.state.Store(st)
	c.watch = watch.New()
	c.maintenance = make(maintenanceLock, 1)
	c.sweepDue = make(chan struct{}, 1)
	c.life, c.end = context.WithCancel(context.Background())
	if o.DetectMutation {
		c.mutations = mutation.New()
	}
}

// enter registers a reader at the last index, and returns the index and its state.
// Compaction keeps the records that the reader needs until readers.Leave.
func (c *core) enter() (st *state.State, at uint64) {
	at = c.readers.Enter(func() uint64 {
		st = c.state.Load()
		return st.Index.Last()
	})
	return st, at
}

// follow returns the state with which a reader of st goes on. The reader began at the index began,
// and has read up to at. It gets ErrRestored if the store was restored since it began, and
// ErrCompacted if the store has caught up with a state that has forgotten changes above at.
func (c *core) follow(st *state.State, began, at uint64) (*state.State, error) {
	now := c.state.Load()
	if now.Restored.Load() > began {
		return nil, fmt.Errorf("%w after index %d", ErrRestored, began)
	}
	if floor := now.Floor.Load(); now != st && floor > at {
		return nil, fmt.Errorf("%w: index %d was read, and the store has caught up with a state that has changes after %d", ErrCompacted, at, floor)
	}
	return now, nil
}

// decode returns the allocation of v, which is no tombstone. The caller has entered, and v
// exists at its index.
func (c *core) decode(st *state.State, id schema.ID, v *state.Version) (*schema.Allocation, error) {
	if a := v.Current(); a != nil {
		c.hit()
		return a, nil
	}
	c.counts.misses.Add(1)
	return st.Decode(id, v)
}

// hitSample is the number of reads that each counted one stands for.
const hitSample = 64

// hit counts a sample of the reads that found the allocation decoded, in stores with a
// bound. Counting each would cost more than the read.
func (c *core) hit() {
	if c.opts.ResidentBytes > 0 && rand.Uint32()%hitSample == 0 {
		c.counts.hits.Add(hitSample)
	}
}

// handOut returns a, unless a caller has changed it since it was handed out before.
func (c *core) handOut(a *schema.Allocation, err error) (*schema.Allocation, error) {
	if c.mutations == nil || a == nil || err != nil {
		return a, err
	}
	if err := c.mutations.HandOut(a); err != nil {
		return nil, err
	}
	return a, nil
}

// untilClosed returns a context that ends with ctx, or when the store closes, with the
// cause ErrClosed. Call stop when it is no longer needed.
func (c *core) untilClosed(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// causeOf returns the cause of ctx's end if it has ended, else err.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// failed returns why the store has failed, or nil.
func (c *core) failed() error {
	if failure := c.failure.Load(); failure != nil {
		return *failure
	}
	return nil
}

// fail makes the store failed for good, and returns the error of all later calls. The cause is a
// commit, since it is unknown whether the disk holds it (design/0005), or a file that cannot be
// used. The first cause stays.
func (c *core) fail(cause error) error {
	err := cause
	if !errors.Is(cause, ErrDetached) {
		err = fmt.Errorf("%w: %w", ErrFailed, cause)
	}
	if !c.failure.CompareAndSwap(nil, &err) {
		return c.failed()
	}
	if errors.Is(err, ErrDetached) || errors.Is(err, ErrCorrupt) {
		c.opts.Logger.Error("allocstore: the store has failed", "file", c.state.Load().File.Path(), "error", err)
	}
	c.watch.Broadcast(watch.Signal{Kind: watch.Failed, Err: err})
	c.tail.Wake()
	c.applied.Wake()
	return err
}

// saveApplied makes the applied index durable, and the highest floor of an entry with it. It writes
// nothing if they are. Only the committer calls it, between two groups, or Close after the committer.
//
// ErrNoSpace means that nothing was written. After ErrOutcomeUnknown the content of the disk is
// unknown.
func (c *core) saveApplied() error {
	st := c.state.Load()
	if c.opts.ReadOnly || !st.Manifest.SetApplied(st.Applied(), st.Kept.Load()) {
		return nil
	}
	err := st.File.Update(func(tx logfile.Tx) (bool, error) {
		if err := tx.Room(0, logfile.ForCompaction); err != nil {
			return false, err
		}
		return true, st.Manifest.Put(tx)
	})
	if err != nil && !errors.Is(err, ErrNoSpace) {
		err = fmt.Errorf("%w: %w", logfile.ErrOutcomeUnknown, err)
	}
	return err
}

// reportDamage logs the damage in the state's file, if there is any.
func (c *core) reportDamage(st *state.State) {
	faults := st.Damaged.Faults()
	if len(faults) == 0 {
		return
	}
	c.opts.Logger.Error("allocstore: the file is damaged, what can be read is served",
		"file", st.File.Path(), "damaged", len(faults), "quarantined", st.Counts.Quarantined.Load(), "first", faults[0])
}
