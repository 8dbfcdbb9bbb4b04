package store

import (
	"fmt"
	"sync/atomic"
	"time"

	"allocstore/schema"
	"allocstore/watch"
)

// A waiter is what a blocked reader needs, kept for the next one: what it waits
// for, its place in the registry with the one channel that it blocks on, and a
// timer.
//
// The timer notes that it ran, and then expires the waiter. So a reader that it
// finds registered receives the signal, and one that registers after that sees the
// note. A timer that could not be stopped may still be at it: its waiter is left to
// the garbage collector.
type waiter struct {
	*watch.Waiter
	registry *watch.Registry
	timer    *time.Timer
	running  bool // the timer was started
	expired  atomic.Bool

	above    uint64
	restored bool // the signal was that the store was restored
	ids      []watch.ID
	one      [1]watch.ID // the memory of ids, if that is one

	end *waitEnd // nil before the end
}

// waitEnd is what came of a wait.
type waitEnd struct {
	WaitResult
	err error
}

func newWaiter(r *watch.Registry) *waiter { return &waiter{Waiter: watch.NewWaiter(), registry: r} }

// set has w wait for changes of ids above an index.
func (w *waiter) set(above uint64, ids []string) error {
	if len(ids) == 0 {
		return fmt.Errorf("%w: no ID to wait for", ErrInvalidID)
	}
	w.above, w.restored, w.ids = above, false, w.one[:0]
	for i, id := range ids {
		parsed, err := schema.ParseID(id)
		if err != nil && len(ids) > 1 {
			err = fmt.Errorf("ID %d of %d: %w", i, len(ids), err)
		}
		if err != nil {
			return err
		}
		w.ids = append(w.ids, parsed)
	}
	return nil
}

func (w *waiter) id(i int) *schema.ID { return (*schema.ID)(&w.ids[i]) }

// start starts the timer.
//
//go:noinline
func (w *waiter) start(d time.Duration) {
	w.running = true
	if w.timer != nil {
		w.timer.Reset(d)
		return
	}
	w.timer = time.AfterFunc(d, func() {
		w.expired.Store(true)
		w.registry.Expire(w.Waiter)
	})
}

// stop ends the registration and stops the timer. It reports whether the waiter is
// as good as new.
func (w *waiter) stop() bool {
	if !w.running {
		return true
	}
	w.running = false
	stopped := w.timer.Stop()
	w.registry.Deregister(w.Waiter)
	return stopped
}
