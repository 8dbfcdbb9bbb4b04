package watch

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// never is the deadline of an empty heap.
const never = math.MaxInt64

// clock has the deadlines of one shard's waiters, and one timer for all of them. It is
// guarded by the shard's mu.
//
// The timer is not set back when the waiter of the earliest deadline leaves: it runs once
// for nothing, and is then set for the earliest deadline left. So a wait that ends early
// costs no change of a timer.
type clock struct {
	// origin is the time that deadlines are counted from, in nanoseconds. It has a
	// monotonic clock reading, so setting the system's clock moves no deadline.
	origin time.Time

	deadlines deadlines

	// due is the time that timer is set for, never if it is not set.
	// Invariant: no deadline is before due, unless the timer has run and expireAll is
	// yet to take the lock for the last time.
	due int64

	timer   *time.Timer // nil before the first deadline
	stopped bool        // for good, by a terminal broadcast
}

// now returns the nanoseconds since origin.
func (c *clock) now() int64 { return int64(time.Since(c.origin)) }

// setTimerLocked has the timer run at a deadline, if it would run later.
func (sh *shard) setTimerLocked(deadline int64) {
	c := &sh.clock
	if c.stopped || c.timer != nil && deadline >= c.due {
		return
	}
	c.due = deadline
	if d := time.Duration(deadline - c.now()); c.timer != nil {
		c.timer.Reset(d)
	} else {
		c.timer = time.AfterFunc(d, sh.expireAll)
	}
}

// expireAll wakes the waiters whose time is up. The timer runs it.
func (sh *shard) expireAll() {
	for sh.expireSome() {
	}
}

// expireSome wakes up to turnLen waiters whose time is up, and reports whether there may
// be more. After the last one it sets the timer for the next deadline.
func (sh *shard) expireSome() (more bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.clock.now()
	for range turnLen {
		next := sh.clock.earliest()
		if next > now {
			sh.clock.due = never // the timer has run
			sh.setTimerLocked(next)
			return false
		}
		n := sh.clock.deadlines[0]
		sh.unlinkLocked(n)       // before the send, see Waiter.released
		if w := n.w; w.claim() { // unless a change of another of its IDs has woken w
			sh.waiting.Add(-1)
			w.send(expiry)
		}
	}
	return true
}

// earliest returns the earliest deadline.
func (c *clock) earliest() int64 {
	if len(c.deadlines) == 0 {
		return never
	}
	return c.deadlines[0].w.deadline
}

// stop stops the timer for good.
func (c *clock) stop() {
	c.stopped = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// remove removes the deadline of n, which has one.
func (c *clock) remove(n *node) {
	heap.Remove(&c.deadlines, int(n.slot)-1)
	if d := c.deadlines; cap(d) >= shrinkFrom && len(d) < cap(d)/shrinkTo {
		c.deadlines = slices.Clone(d)
	}
}

// deadlines is a heap of the first nodes of the linked waiters that have a deadline, the
// earliest first.
// Invariant: deadlines[i].slot == i+1.
type deadlines []*node

var _ heap.Interface = (*deadlines)(nil)

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].w.deadline < d[j].w.deadline }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].slot, d[j].slot = int32(i+1), int32(j+1)
}

// Push appends a node, for package heap.
func (d *deadlines) Push(x any) {
	n := x.(*node)
	*d = append(*d, n)
	n.slot = int32(len(*d))
}

// Pop removes the last node, for package heap.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	n := (*d)[last]
	(*d)[last] = nil
	*d, n.slot = (*d)[:last], 0
	return n
}
