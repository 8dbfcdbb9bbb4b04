package watch

import (
	"math"
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

// nowhere is the place of a waiter on no ID at all.
var nowhere = []ID{{}}

// maxKept is how many nodes of its last registration a waiter keeps for the
// next. More than that would make a pool of waiters remember the widest one.
const maxKept = 64

// Waiter is one blocked reader: a channel, what it waits for, and its places in the
// registry. It is made by [NewWaiter] and may be registered, deregistered and
// registered again as often as one likes, with one registry at a time. One goroutine
// at a time may use it. It must not be copied.
//
// Its size is 96 bytes, which is one of the runtime's size classes.
type Waiter struct {
	c chan struct{} // has room for one; empty when the waiter becomes armed

	// signal is what was sent. It belongs to the sender from claim on until it has
	// sent, and then to the reader that has received.
	signal *Signal

	state atomic.Uint32

	// All that follows is written before the first node is linked and not again
	// before the last is unlinked, so whoever meets a node may read it.
	epoch    uint32  // of Registry.epoch, at registration
	min      uint64  // only an index above it wakes the waiter
	deadline int64   // see clock; 0 if there is none
	first    node    // the place at the first ID: nearly always the only one
	more     *[]node // the places at the others, nil if there never were any
}

// NewWaiter returns a waiter that waits for nothing yet.
func NewWaiter() *Waiter {
	w := &Waiter{c: make(chan struct{}, 1), min: math.MaxUint64}
	w.first.w = w
	return w
}

// Watch says what the registrations of w are for, from now on: a change of any of ids
// at an index above min. An ID may be given more than once. Without any, only a
// broadcast reaches w. It must not be called while w is registered; neither ids nor
// their array are kept.
func (w *Waiter) Watch(min uint64, ids ...ID) {
	if len(ids) == 0 {
		// No index is above the largest one, so no Notify comes here.
		ids, min = nowhere, math.MaxUint64
	}
	w.min = min
	w.makePlaces(len(ids) - 1)
	for i, id := range ids {
		n := w.place(i)
		n.w, n.id = w, id
	}
}

// makePlaces has w have so many places besides the first.
func (w *Waiter) makePlaces(n int) {
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

// Len returns how many IDs w waits on, counting one that was given twice twice, and 1
// if there are none.
func (w *Waiter) Len() int { return 1 + len(w.others()) }

// ID returns the i-th ID that w waits on. It is the waiter's, not to be changed, and
// good until the next Watch.
func (w *Waiter) ID(i int) *ID { return &w.place(i).id }

// C returns the channel that has something to receive when the registration's one
// signal was sent, which then is what Signal returns. It is the same channel for the
// whole life of the waiter and is never closed.
func (w *Waiter) C() <-chan struct{} { return w.c }

// Signal returns what was sent, to whom has received from C, until w is registered
// again. It is shared and must not be changed.
func (w *Waiter) Signal() *Signal { return w.signal }

// arm prepares an idle waiter for being linked.
func (w *Waiter) arm(epoch uint32) {
	w.epoch, w.signal = epoch, nil
	w.state.Store(armed)
}

// place returns the waiter's node for its i-th ID.
func (w *Waiter) place(i int) *node {
	if i == 0 {
		return &w.first
	}
	return &(*w.more)[i-1]
}

// others returns the places besides the first.
func (w *Waiter) others() []node {
	if w.more == nil {
		return nil
	}
	return *w.more
}

// claim reports whether the caller is the one to send this registration's signal.
func (w *Waiter) claim() bool { return w.state.CompareAndSwap(armed, firing) }

// withdraw reports whether the registration ends with nothing sent.
func (w *Waiter) withdraw() bool { return w.state.CompareAndSwap(armed, idle) }

// send delivers the signal of a claimed waiter. The store is the sender's last
// touch: an owner that sees it may reuse the waiter without taking a lock.
func (w *Waiter) send(s *Signal) {
	w.signal = s
	w.c <- struct{}{}
	w.state.Store(fired)
}

// released reports whether the registration is over and nothing of it is left in
// the registry: its only place was unlinked before its signal was sent.
func (w *Waiter) released() bool { return w.Len() == 1 && w.state.Load() == fired }

// reset makes the waiter idle and throws away a signal that nobody received. No
// sender may be able to reach it any more.
func (w *Waiter) reset() {
	select {
	case <-w.c:
	default:
	}
	w.state.Store(idle)
}
