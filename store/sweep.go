package store

import (
	"context"
	"sync"
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
// A pass begins when what it can remove outweighs what it cannot. A record costs
// then two visits at the most before it is gone.
type sweeper struct {
	s    *Store
	wake chan struct{}
	over chan struct{} // closed when the goroutine has ended

	life context.Context // ended by stop
	end  context.CancelFunc

	// passing is held during a pass and during a rewrite of the file. It comes
	// before all other locks.
	passing sync.Mutex
}

const (
	// leastDead is what a pass in the background must be able to remove.
	leastDead = 1 << 20

	// sweepRecords and sweepVictims bound what is read in one transaction.
	sweepRecords = 4096
	sweepVictims = 1024
)

func newSweeper(s *Store) *sweeper {
	sw := &sweeper{s: s, wake: make(chan struct{}, 1), over: make(chan struct{})}
	sw.life, sw.end = context.WithCancel(context.Background())
	return sw
}

// run makes passes when they are due, until the store is closed. A pass that fails
// has failed the store, or will be tried again.
func (sw *sweeper) run() {
	defer close(sw.over)
	for {
		select {
		case <-sw.life.Done():
			return
		case <-sw.wake:
		}
		if sw.due() {
			_ = sw.pass(sw.life)
		}
	}
}

// stop ends the goroutine and a Compact that is under way, and waits for them. The
// committer does nothing any more.
func (sw *sweeper) stop() {
	sw.end()
	<-sw.over
	sw.passing.Lock()
	defer sw.passing.Unlock()
}

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

// due reports whether a pass would remove more than it leaves.
func (sw *sweeper) due() bool {
	t := sw.s.tally
	_, kept := t.before(sw.s.opts.FeedRetention)
	dead := t.dead() - kept
	return dead >= leastDead && dead >= t.live.Load()
}

// pass sweeps the log once, unless there is nothing new to sweep, or until ctx
// ends.
func (sw *sweeper) pass(ctx context.Context) error {
	sw.passing.Lock()
	defer sw.passing.Unlock()
	return sw.passLocked(ctx)
}

func (sw *sweeper) passLocked(ctx context.Context) error {
	floor := sw.raiseFloor()
	if floor == 0 {
		return nil
	}
	w := newWindow(sw.s, floor)
	for next := (key{}); next.index <= floor; {
		start := time.Now()
		found, following, err := w.victims(next)
		if err != nil {
			return err
		}
		paced := false
		if len(found) > 0 {
			if paced, err = sw.s.committer.removeDead(found, floor); err != nil {
				return err
			}
		}
		next = following
		if !paced && !pause(ctx, time.Since(start)) {
			return ctx.Err()
		}
	}
	sw.s.counts.passes.Add(1)
	return nil
}

// pause gives others as much time as was just taken, and reports whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// raiseFloor raises the floor as far as it can be raised and returns it, or 0 if
// that is no further than it was.
//
// A feed that starts looks at the floor, registers as a reader, and looks at the
// floor again. Here the floor is raised, and then the readers are looked at
// again. Whichever of the two comes second sees the other, so either the feed is
// told ErrCompacted or the floor stays below it. All other readers register at the
// last index, which is at the floor or above.
func (sw *sweeper) raiseFloor() uint64 {
	s := sw.s
	last := s.index.Last()
	to, _ := s.tally.before(s.opts.FeedRetention)
	to = min(to, s.readers.oldest(last))
	was := s.floor.Load()
	if to <= was {
		return 0
	}
	s.floor.Store(to)
	if s.readers.oldest(last) < to {
		s.floor.Store(was)
		return 0
	}
	return to
}
