package watch

import (
	"math"
	"slices"
	"time"
)

// never is when a clock rings that nobody waits for.
const never = math.MaxInt64

// clock has the deadlines of those who wait in one shard, and one timer for all of
// them. It is guarded by the shard's mu.
//
// Nobody takes the timer back when the waiter it was set for has left: it then runs
// for nothing, once, and is set for who is the earliest by then. So a wait that ends
// early costs no timer anything.
type clock struct {
	// origin is when the registry was made. Deadlines are nanoseconds from then on,
	// which no setting of the system's clock moves.
	origin time.Time

	// heap has the first node of each linked waiter that has a deadline, the
	// earliest at 0 and none before its parent, the one at (i-1)/2.
	// Invariant: heap[i].slot == i+1.
	heap []*node

	// rings is when timer will run, never if it will not.
	// Invariant: no deadline in the heap is before it, unless the timer has run
	// and ring is yet to take the lock for the last time.
	rings int64

	timer *time.Timer // nil before the first deadline
	over  bool        // nobody needs the timer any more, see Registry.Broadcast
}

// now returns the nanoseconds since origin.
func (c *clock) now() int64 { return int64(time.Since(c.origin)) }

// addDeadlineLocked takes in the deadline of a waiter's first node.
func (sh *shard) addDeadlineLocked(n *node) {
	c := &sh.clock
	c.heap = append(c.heap, n)
	c.up(len(c.heap)-1, n)
	sh.setTimerLocked(n.w.deadline)
}

// setTimerLocked has the timer run at a deadline if it would run later.
func (sh *shard) setTimerLocked(deadline int64) {
	c := &sh.clock
	if c.over || c.timer != nil && deadline >= c.rings {
		return
	}
	c.rings = deadline
	if d := time.Duration(deadline - c.now()); c.timer != nil {
		c.timer.Reset(d)
	} else {
		c.timer = time.AfterFunc(d, sh.ring)
	}
}

// ring is what the timer runs: it wakes those whose time is up, some at a time.
func (sh *shard) ring() {
	for sh.expire() {
	}
}

// expire wakes at most a turn of those whose time is up, and reports whether there
// may be more. If there are none it sets the timer for the next.
func (sh *shard) expire() (more bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c, at := &sh.clock, sh.clock.now()
	for range turnLen {
		if len(c.heap) == 0 || c.heap[0].w.deadline > at {
			sh.resetTimerLocked()
			return false
		}
		sh.expireLocked(c.heap[0])
	}
	return true
}

// expireLocked wakes a waiter, unless it has been woken already by another of its
// IDs and is on its way out.
func (sh *shard) expireLocked(n *node) {
	w := n.w
	sh.unlinkLocked(n) // before the send, see Waiter.released
	if w.claim() {
		sh.waiting.Add(-1)
		w.send(expiry)
	}
}

// resetTimerLocked sets the timer, which has run, for the earliest deadline.
func (sh *shard) resetTimerLocked() {
	sh.clock.rings = never
	if len(sh.clock.heap) > 0 {
		sh.setTimerLocked(sh.clock.heap[0].w.deadline)
	}
}

// stopLocked stops the timer for good.
func (c *clock) stopLocked() {
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// remove takes out a node that is in the heap. The last one takes its place, and moves
// up or down from there.
func (c *clock) remove(n *node) {
	i, last := int(n.slot)-1, len(c.heap)-1
	moved := c.heap[last]
	c.heap[last] = nil
	c.heap, n.slot = c.heap[:last], 0
	if moved != n {
		c.down(c.up(i, moved), moved)
	}
	if cap(c.heap) >= shrinkFrom && last < cap(c.heap)/shrinkTo {
		c.heap = slices.Clone(c.heap)
	}
}

// up puts n at i, which is free, or above, and returns where.
func (c *clock) up(i int, n *node) int {
	for i > 0 {
		parent := (i - 1) / 2
		if c.heap[parent].w.deadline <= n.w.deadline {
			break
		}
		c.put(i, c.heap[parent])
		i = parent
	}
	c.put(i, n)
	return i
}

// down moves n, which is at i, below those that are earlier.
func (c *clock) down(i int, n *node) {
	for {
		child := 2*i + 1
		if child >= len(c.heap) {
			return
		}
		if right := child + 1; right < len(c.heap) && c.heap[right].w.deadline < c.heap[child].w.deadline {
			child = right
		}
		if n.w.deadline <= c.heap[child].w.deadline {
			return
		}
		c.put(i, c.heap[child])
		c.put(child, n)
		i = child
	}
}

func (c *clock) put(i int, n *node) { c.heap[i], n.slot = n, int32(i+1) }
