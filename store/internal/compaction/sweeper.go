package compaction

import (
	"context"
	"sync/atomic"
	"time"

	"allocstore/store/internal/readers"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A Sweeper removes superseded records from the log: compaction in the background.
//
// A pass goes over the log once, in the order of its keys, up to a floor: the highest index
// below which no open reader, and not Env.FeedRetention, needs the past. A record at or
// below the floor is dead if the version of its allocation at the floor does not need it.
// The tombstone of a deleted allocation is dead too if it is still the newest version; the
// ID is then forgotten with it. All other records keep their keys. So during a pass every
// reader at the floor or above finds every record that it asks for, without a lock.
//
// The version at the floor is the newest one, which the table has, unless the allocation
// has changed since. Then the records above the floor lead back to it; see window.
//
// The sweeper only reads. It hands the keys of dead records to the committer, some at a
// time. The committer deletes them in the transactions of its groups, in proportion to the
// records that it writes, or in small transactions of their own when nothing is written. So
// removals need no sync of their own under load, and delay a writer by little. The floor is
// stored with the first of these deletions.
//
// A pass begins when the dead records outweigh the live ones, and at least half the bytes
// of the live ones can be removed. Records above the floor count as not removable, since it
// is unknown how many of them are dead. While the disk lacks room for writes, a pass begins after
// every group, and Env.FeedRetention keeps nothing.
//
// A Sweeper has no goroutine and no lock. Its methods may be called from any goroutine, Sweep and
// Reset by the holder of the maintenance lock alone.
type Sweeper struct {
	env    Env
	swept  uint64        // the floor of the last complete pass over the state, 0 before the first
	pauses atomic.Int32  // how many callers of Pause have not resumed
	passes atomic.Uint64 // complete ones
}

// An Env is the sweeper's environment: the functions and settings of a store that it needs. A test
// gives it one without a store.
type Env struct {
	// State returns the state in use.
	State func() *state.State

	// Readers are those of the store.
	Readers *readers.Set

	// FeedRetention is the number of latest changes that are kept at least.
	FeedRetention int

	// Replicated says that the floor never passes the state's Kept.
	Replicated bool

	// Remove has the committer remove the records, and returns when the removals are done, with
	// their error. It may return any other error before that, which ends the pass.
	Remove func(*Removals) error

	// Look is called before each step of a pass: a store looks whether its file is lost.
	Look func()
}

// NewSweeper returns a sweeper that has not swept the state yet.
func NewSweeper(env Env) *Sweeper { return &Sweeper{env: env} }

// minDead is the number of bytes that a pass in the background must be able to remove.
const minDead = 1 << 20

// Wake sends to due if a pass over st may be due; see Sweeper.Due. It does not block, and takes no
// lock: the receiver may be busy, and due has room for one.
func Wake(st *state.State, due chan<- struct{}) {
	if dead := st.Size.Dead(); (dead < minDead || dead < st.Size.Live.Load()) && !st.File.RoomLacks() {
		return
	}
	select {
	case due <- struct{}{}:
	default:
	}
}

// Due reports whether the dead records outweigh the live ones, and a pass could remove
// enough of them. It does not block.
func (sw *Sweeper) Due() bool {
	st := sw.env.State()
	if st.File.RoomLacks() {
		return true
	}
	_, kept := sw.forgettable(st)
	dead, live := st.Size.Dead(), st.Size.Live.Load()
	return dead >= live && dead-kept >= max(minDead, live/2)
}

// Passes returns the number of complete passes.
func (sw *Sweeper) Passes() uint64 { return sw.passes.Load() }

// Reset makes the sweeper one that has not swept: the store has another state.
func (sw *Sweeper) Reset() { sw.swept = 0 }

// Pause keeps every record until resume is called. A pass that is under way removes nothing from
// now on, and ends at its next step; its floor stays, and a later pass starts over. Called between
// two groups of the committer, Pause keeps the records from its return on; called at any other
// time, some may still be removed in the transaction under way. Any goroutine may call resume,
// once.
func (sw *Sweeper) Pause() (resume func()) {
	sw.pauses.Add(1)
	return func() { sw.pauses.Add(-1) }
}

// forgettable returns the index up to which the past is not needed, and how many bytes of
// the log follow it.
func (sw *Sweeper) forgettable(st *state.State) (index uint64, bytes int64) {
	oldest := sw.env.Readers.Oldest(st.Index.Last())
	if sw.env.Replicated {
		oldest = min(oldest, st.Kept.Load())
	}
	if st.File.RoomLacks() {
		return oldest, 0
	}
	return st.Size.RetainedFrom(sw.env.FeedRetention, oldest)
}

// Sweep makes one pass: it sweeps the log once, unless there is nothing new to sweep. If the
// sweeper is paused, before or meanwhile, the pass ends without an error. It blocks until the
// records are removed. The caller holds the maintenance lock.
//
// Errors: ctx's error, that of reading the file, or that of Env.Remove. Some records may be
// removed all the same.
func (sw *Sweeper) Sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if sw.pauses.Load() > 0 {
		return nil
	}
	st := sw.env.State()
	floor := sw.raiseFloor(st)
	if floor <= sw.swept {
		return nil
	}
	w := newWindow(st, floor)
	for next, more := (record.Key{}), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if sw.pauses.Load() > 0 {
			return nil
		}
		sw.env.Look()
		start := time.Now()
		found, err := w.find(next)
		if err != nil {
			return err
		}
		paced := false
		if len(found.dead) > 0 {
			r := &Removals{Dead: found.dead, floor: floor, pauses: &sw.pauses}
			if err := sw.env.Remove(r); err != nil && err != errPaused {
				return err
			}
			paced = r.paced
		}
		if next, more = found.next, found.more; more && !paced {
			pause(ctx, time.Since(start))
		}
	}
	sw.swept = floor
	sw.passes.Add(1)
	return nil
}

// pause leaves the processor to others for as long as a step has taken, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// raiseFloor raises the floor as far as possible, and returns it.
//
// A feed enters as a reader and then looks at the floor. Entering and raising exclude each
// other: either the feed sees the new floor and is told ErrCompacted, or the floor stays
// below the feed. All other readers enter at the last index, which is not below the floor.
func (sw *Sweeper) raiseFloor(st *state.State) uint64 {
	last := st.Index.Last()
	to, _ := sw.forgettable(st)
	sw.env.Readers.WithOldest(last, func(oldest uint64) {
		to = max(st.Floor.Load(), min(to, oldest))
		st.Floor.Store(to)
	})
	return to
}
