package store

import (
	"context"
	"time"

	"allocstore/store/internal/compaction"
)

// A sweeper is compaction in the background. Its goroutine sweeps when a pass is due, and has the
// lookout look at the file. Package compaction has the passes.
type sweeper struct {
	*compaction.Sweeper
	c       *core
	lookout *lookout
	stopped chan struct{} // closed when the goroutine has ended
}

func newSweeper(c *core, committer *committer, l *lookout) *sweeper {
	env := compaction.Env{
		State: c.state.Load, Readers: &c.readers, FeedRetention: c.opts.FeedRetention, Replicated: c.opts.Replicated,
		Remove: committer.remove, Look: l.lookAgain,
	}
	return &sweeper{compaction.NewSweeper(env), c, l, make(chan struct{})}
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
		if sw.Due() {
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

// pass sweeps the log once.
func (sw *sweeper) pass(ctx context.Context) error {
	if err := sw.c.maintenance.lock(ctx); err != nil {
		return err
	}
	defer sw.c.maintenance.unlock()
	return sw.Sweep(ctx)
}
