package watch

import (
	"math"
	"slices"
	"sync/atomic"
)

// The states of a waiter. Register arms it. The goroutine that moves it on from armed, by
// compare-and-swap, decides how the registration ends: a sender moves it to firing,
// Deregister to idle.
const (
	idle   uint32 = iota // not registered
	armed                // registered, no signal yet
	firing               // claimed by a sender that is about to send
	fired                // sent; the sender is done with the waiter
)

// noIDs is the ID list of a waiter without IDs.
var noIDs = []ID{{}}

// maxKept is the number of nodes that a waiter keeps for its next registration. A limit
// keeps a pool of waiters from growing to the largest registration ever made.
const maxKept = 64

// Waiter is one blocked reader: a channel, the IDs it waits for, and their nodes. It is
// made by [NewWaiter] and may be registered and deregistered any number of times, with
// one registry at a time. Only one goroutine at a time may use it. It must not be copied.
//
// Its size is 96 bytes, which is one of the runtime's size classes.
type Waiter struct {
	c chan struct{} // has room for one; empty when the waiter becomes armed

	// signal belongs to the sender from claim to the end of send, and then to the
	// reader that has received from c.
	signal *Signal

	// Invariant: it leaves armed once in a registration, and only the goroutine that moved
	// it to firing sends.
	state atomic.Uint32

	// The fields below are written before the first node is linked and not again
	// before the last is unlinked, so a goroutine that finds a node may read them.
	epoch    uint32  // of Registry.epoch, at registration
	min      uint64  // only an index above it wakes the waiter
	deadline int64   // see clock; 0 if there is no deadline
	first    node    // of the first ID, mostly the only one
	more     *[]node // of the other IDs, nil if there never were any
}

// NewWaiter returns a waiter that waits for nothing yet.
func NewWaiter() *Waiter {
	w := &Waiter{c: make(chan struct{}, 1), min: math.MaxUint64}
	w.first.w = w
	return w
}

// Watch has the later registrations of w wait for a change of any of ids at an index
// above min. An ID may be given more than once. Without any ID only a broadcast reaches
// w. Watch keeps neither ids nor its array. w must not be registered.
func (w *Waiter) Watch(min uint64, ids ...ID) {
	if len(ids) == 0 {
		// No index is above the largest one, so no Notify reaches w.
		ids, min = noIDs, math.MaxUint64
	}
	w.min, w.first.class = min, 0
	w.setLen(len(ids))
	for i, id := range ids {
		n := w.node(i)
		n.w, n.id = w, id
	}
}

// setLen gives w n nodes.
func (w *Waiter) setLen(n int) {
	n-- // without the first
	if w.more == nil {
		if n == 0 {
			return
		}
		w.more = new([]node)
	}
	kept := *w.more
	if cap(kept) > max(n, maxKept) {
		kept = nil
	}
	*w.more = slices.Grow(kept[:0], n)[:n]
}

// Min returns the index that w waits for a change above.
func (w *Waiter) Min() uint64 { return w.min }

// Len returns the number of IDs that w waits on. An ID that was given twice counts twice.
// It is 1 if there are no IDs.
func (w *Waiter) Len() int {
	if w.more == nil {
		return 1
	}
	return 1 + len(*w.more)
}

// ID returns the i-th ID that w waits on. It belongs to the waiter, must not be changed,
// and is good until the next Watch.
func (w *Waiter) ID(i int) *ID { return &w.node(i).id }

// C returns a channel that receives one value when the registration's signal has been
// sent; Signal then returns the signal. It is the same channel for the whole life of the
// waiter and is never closed.
func (w *Waiter) C() <-chan struct{} { return w.c }

// Signal returns the signal that was sent. Call it after receiving from C and before the
// next Register. The signal is shared and must not be changed.
func (w *Waiter) Signal() *Signal { return w.signal }

// node returns the waiter's node for its i-th ID.
func (w *Waiter) node(i int) *node {
	if i == 0 {
		return &w.first
	}
	return &(*w.more)[i-1]
}

// claim reports whether the caller is the one to send this registration's signal.
func (w *Waiter) claim() bool { return w.state.CompareAndSwap(armed, firing) }

// send delivers the signal of a claimed waiter. The sender touches the waiter for the last
// time when it stores fired: the owner that sees it may reuse the waiter without a lock.
func (w *Waiter) send(s *Signal) {
	w.signal = s
	w.c <- struct{}{}
	w.state.Store(fired)
}

// released reports whether the registration is over and the registry has nothing of it:
// its only node was unlinked before its signal was sent.
func (w *Waiter) released() bool { return w.Len() == 1 && w.state.Load() == fired }
