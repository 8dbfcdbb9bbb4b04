package store

import (
	"context"
	"sync/atomic"
	"time"

	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A sweeper removes superseded records from the log: compaction in the background.
//
// A pass goes over the log once, in the order of its keys, up to a floor: the highest index
// below which no open reader, and not Options.FeedRetention, needs the past. A record at or
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
// every group, and Options.FeedRetention keeps nothing.
type sweeper struct {
	c         *core
	committer *committer
	lookout   *lookout
	stopped   chan struct{} // closed when the goroutine has ended

	// swept is the floor of the last complete pass over the state, 0 before the first. The
	// holder of the maintenance lock uses it.
	swept uint64

	// backups is the number of backups under way; nothing is swept meanwhile. The holder of
	// the maintenance lock raises it.
	backups atomic.Int32
}

// minDead is the number of bytes that a pass in the background must be able to remove.
const minDead = 1 << 20

func newSweeper(c *core, committer *committer, l *lookout) *sweeper {
	return &sweeper{c: c, committer: committer, lookout: l, stopped: make(chan struct{})}
}

// wakeSweeper wakes the sweeper if a pass may be due.
func (c *core) wakeSweeper() {
	st := c.state.Load()
	if dead := st.Size.Dead(); (dead < minDead || dead < st.Size.Live.Load()) && !st.File.RoomLacks() {
		return
	}
	select {
	case c.sweepDue <- struct{}{}:
	default:
	}
}

// run makes passes when they are due, and has the lookout look at the file, until the store
// closes. A pass that fails has failed the store, or will be tried again.
func (sw *sweeper) run() {
	defer close(sw.stopped)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-sw.c.life.Done():
			return
		case <-tick.C:
			sw.lookout.lookAside()
			continue
		case <-sw.c.sweepDue:
		}
		if sw.due() {
			_ = sw.pass(sw.c.life)
		}
	}
}

// stop waits until the goroutine, and any maintenance under way, has ended with the store's
// life. No maintenance begins afterwards.
func (sw *sweeper) stop() {
	<-sw.stopped
	sw.c.maintenance <- struct{}{} // for ever
}

// due reports whether the dead records outweigh the live ones, and a pass could remove
// enough of them.
func (sw *sweeper) due() bool {
	st := sw.c.state.Load()
	if st.File.RoomLacks() {
		return true
	}
	_, kept := sw.forgettable(st)
	dead, live := st.Size.Dead(), st.Size.Live.Load()
	return dead >= live && dead-kept >= max(minDead, live/2)
}

// forgettable returns the index up to which the past is not needed, and how many bytes of
// the log follow it.
func (sw *sweeper) forgettable(st *state.State) (index uint64, bytes int64) {
	oldest := sw.c.readers.Oldest(st.Index.Last())
	if st.File.RoomLacks() {
		return oldest, 0
	}
	return st.Size.RetainedFrom(sw.c.opts.FeedRetention, oldest)
}

// pass sweeps the log once.
func (sw *sweeper) pass(ctx context.Context) error {
	if err := sw.c.maintenance.lock(ctx); err != nil {
		return err
	}
	defer sw.c.maintenance.unlock()
	return sw.sweep(ctx)
}

// sweep sweeps the log once, unless there is nothing new to sweep or a backup is under way.
// It stops when ctx ends. The caller holds the maintenance lock.
func (sw *sweeper) sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if sw.backups.Load() > 0 {
		return nil
	}
	st := sw.c.state.Load()
	floor := sw.raiseFloor(st)
	if floor <= sw.swept {
		return nil
	}
	w := newWindow(st, floor)
	for next, more := (record.Key{}), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		sw.lookout.lookAgain()
		start := time.Now()
		found, err := w.find(next)
		if err != nil {
			return err
		}
		paced := false
		if len(found.dead) > 0 {
			if paced, err = sw.committer.remove(found.dead, floor); err != nil {
				return err
			}
		}
		if next, more = found.next, found.more; more && !paced {
			pause(ctx, time.Since(start))
		}
	}
	sw.swept = floor
	sw.c.counts.passes.Add(1)
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
func (sw *sweeper) raiseFloor(st *state.State) uint64 {
	last := st.Index.Last()
	to, _ := sw.forgettable(st)
	sw.c.readers.WithOldest(last, func(oldest uint64) {
		to = max(st.Floor.Load(), min(to, oldest))
		st.Floor.Store(to)
	})
	return to
}
