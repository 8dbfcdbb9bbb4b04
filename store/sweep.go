package store

import (
	"context"
	"sync/atomic"
	"time"
)

// A sweeper removes superseded records from the log: compaction in the
// background.
//
// One pass goes over the log once, in the order of its keys, up to a floor: the
// index down to which every open reader, and Options.FeedRetention, still needs
// the past. A record at or below the floor is dead if the version of its
// allocation at the floor does not consist of it; or if it is the tombstone that
// is still the newest version, for then there is nothing to remember but that the
// ID is gone, and the ID is forgotten with it. What stays keeps its key. So at any
// moment of a pass, whoever reads at the floor or above finds every record that
// it asks for, and nothing needs to be locked.
//
// The version at the floor is the newest one, which the table has, unless the
// allocation has changed since. Those that have are found by reading the log from
// the floor on, where the first record of each names the version before it; see
// window.
//
// The sweeper only reads. It hands the keys of dead records to the committer,
// some at a time, which deletes them in the transactions that it makes anyhow, in
// step with what it writes (see chore), or in small ones of their own when nobody
// writes. So removing costs no sync of its own under load, and never holds a
// writer up for longer than it takes to delete what about as many writes add. The
// floor is stored with the first of these deletions.
//
// A pass begins when the dead records outweigh the live ones and half as much as is
// alive can be removed, at the least. What follows the floor counts as what cannot, for
// how much of it is dead is not known.
type sweeper struct {
	s       *Store
	wake    chan struct{}
	stopped chan struct{} // closed when the goroutine has ended

	// turn is full during a pass and during a rewrite of the file. Whoever has it
	// holds no lock.
	turn chan struct{}

	// swept is the floor of the last pass that came to its end, 0 before there is
	// one. Whoever has the turn uses it.
	swept uint64

	// backups are those under way. Nothing is swept meanwhile. Raised by who has the turn.
	backups atomic.Int32
}

const (
	// leastDead is what a pass in the background must be able to remove.
	leastDead = 1 << 20

	// sweepRecords and sweepVictims bound what is read in one transaction.
	sweepRecords = 4096
	sweepVictims = 1024
)

func newSweeper(s *Store) *sweeper {
	return &sweeper{s: s, wake: make(chan struct{}, 1), stopped: make(chan struct{}), turn: make(chan struct{}, 1)}
}

// run makes passes when they are due, until the store is closed. A pass that fails
// has failed the store, or will be tried again.
func (sw *sweeper) run() {
	defer close(sw.stopped)
	for {
		select {
		case <-sw.s.life.Done():
			return
		case <-sw.wake:
		}
		if sw.due() {
			_ = sw.pass(sw.s.life)
		}
	}
}

// stop waits until the goroutine, and a Compact that is under way, have ended with the
// store's life. The committer does nothing any more.
func (sw *sweeper) stop() {
	<-sw.stopped
	sw.turn <- struct{}{} // and nobody gets it any more
}

// takeTurn waits until nobody else makes a pass or rewrites the file.
func (sw *sweeper) takeTurn(ctx context.Context) error {
	select {
	case sw.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (sw *sweeper) endTurn() { <-sw.turn }

// nudge has the sweeper look whether a pass is due, if one may be.
func (sw *sweeper) nudge() {
	t := sw.s.tally
	if dead := t.dead(); dead < leastDead || dead < t.live.Load() {
		return
	}
	select {
	case sw.wake <- struct{}{}:
	default:
	}
}

// due reports whether the dead records outweigh the live ones, and a pass could remove
// enough of them.
func (sw *sweeper) due() bool {
	t := sw.s.tally
	_, kept := sw.forgettable()
	dead, live := t.dead(), t.live.Load()
	return dead >= live && dead-kept >= max(leastDead, live/2)
}

// forgettable returns the index up to which the past is needed by nobody, and how many
// bytes of the log follow it.
func (sw *sweeper) forgettable() (index uint64, bytes int64) {
	s := sw.s
	return s.tally.before(s.opts.FeedRetention, s.readers.oldest(s.index.Last()))
}

// pass sweeps the log once, unless there is nothing new to sweep, or until ctx
// ends.
func (sw *sweeper) pass(ctx context.Context) error {
	if err := sw.takeTurn(ctx); err != nil {
		return err
	}
	defer sw.endTurn()
	return sw.sweep(ctx)
}

// sweep is pass for whoever has the turn. Beside a backup it does nothing.
func (sw *sweeper) sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if sw.backups.Load() > 0 {
		return nil
	}
	floor := sw.raiseFloor()
	if floor <= sw.swept {
		return nil
	}
	w := newWindow(sw.s, floor)
	for next, more := (key{}), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		found, err := w.victims(next)
		if err != nil {
			return err
		}
		paced := false
		if len(found.dead) > 0 {
			if paced, err = sw.s.committer.removeDead(found.dead, floor); err != nil {
				return err
			}
		}
		if next, more = found.next, found.more; more && !paced {
			pause(ctx, time.Since(start))
		}
	}
	sw.swept = floor
	sw.s.counts.passes.Add(1)
	return nil
}

// pause gives others as much time as was just taken, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// raiseFloor raises the floor as far as it can be raised, and returns it.
//
// A feed that starts registers as a reader, and then looks at the floor. Whoever
// comes first, the floor or the feed, is seen by the other: so either the feed is
// told ErrCompacted or the floor stays below it. All other readers register at the
// last index, which is at the floor or above.
func (sw *sweeper) raiseFloor() uint64 {
	s := sw.s
	last := s.index.Last()
	to, _ := sw.forgettable()
	s.readers.forget(last, func(oldest uint64) {
		to = max(s.floor.Load(), min(to, oldest))
		s.floor.Store(to)
	})
	return to
}
