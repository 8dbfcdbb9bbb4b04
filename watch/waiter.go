package watch

import (
	"slices"
	"sync/atomic"
)

// The states of a waiter. Register arms it. Whoever moves it on from armed, by
// compare-and-swap, is the only one to decide what becomes of the registration:
// a sender goes to firing, Deregister to idle.
const (
	idle   uint32 = iota // not registered
	armed                // registered, nothing sent
	firing               // claimed by a sender that is about to send
	fired                // sent; the sender has let go of the waiter
)

// maxKept is how many nodes of its last registration a waiter keeps for the
// next. More than that would make a pool of waiters remember the widest one.
const maxKept = 64

// Waiter is one blocked reader: a channel and its places in the registry. It is
// made by [NewWaiter] and may be registered, deregistered and registered again
// as often as one likes, with one registry at a time. One goroutine at a time
// may pass it to Register and Deregister. It must not be copied.
type Waiter struct {
	c chan *Signal // holds one; empty when the waiter becomes armed

	state atomic.Uint32

	// epoch, min and deadline are written before the first node is linked and not
	// again before the last is unlinked, so whoever meets a node may read them.
	epoch    uint32 // of Registry.epoch, at registration
	min      uint64 // only an index above it wakes the waiter
	deadline int64  // see clock; 0 if there is none

	first node   // the place at the first ID: nearly always the only one
	more  []node // the places at the others; never grows while one is linked
}

// NewWaiter returns a waiter that is ready to be registered.
func NewWaiter() *Waiter {
	return &Waiter{c: make(chan *Signal, 1)}
}

// C returns the channel that receives the one signal of each registration. It
// is the same channel for the whole life of the waiter and is never closed. The
// signal is shared and must not be changed.
func (w *Waiter) C() <-chan *Signal { return w.c }

// arm prepares an idle waiter for its places at ids, of which there is at least one.
func (w *Waiter) arm(min uint64, epoch uint32, ids []ID) {
	w.min, w.epoch = min, epoch
	n := len(ids) - 1
	if cap(w.more) > max(n, maxKept) {
		w.more = nil
	}
	w.more = slices.Grow(w.more[:0], n)[:n]
	for i, id := range ids {
		place := w.place(i)
		place.w, place.id = w, id
	}
	w.state.Store(armed)
}

// place returns the waiter's node for its i-th ID.
func (w *Waiter) place(i int) *node {
	if i == 0 {
		return &w.first
	}
	return &w.more[i-1]
}

// places returns how many nodes the waiter's registration has.
func (w *Waiter) places() int { return 1 + len(w.more) }

// claim reports whether the caller is the one to send this registration's signal.
func (w *Waiter) claim() bool { return w.state.CompareAndSwap(armed, firing) }

// withdraw reports whether the registration ends with nothing sent.
func (w *Waiter) withdraw() bool { return w.state.CompareAndSwap(armed, idle) }

// send delivers the signal of a claimed waiter. The store is the sender's last
// touch: an owner that sees it may reuse the waiter without taking a lock.
func (w *Waiter) send(s *Signal) {
	w.c <- s
	w.state.Store(fired)
}

// released reports whether the registration is over and nothing of it is left in
// the registry: its only place was unlinked before its signal was sent.
func (w *Waiter) released() bool { return len(w.more) == 0 && w.state.Load() == fired }

// reset makes the waiter idle and throws away a signal that nobody received. No
// sender may be able to reach it any more.
func (w *Waiter) reset() {
	select {
	case <-w.c:
	default:
	}
	w.state.Store(idle)
}
