package watch

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// shardCount is the number of shards, a power of two. It is large for short critical
// sections and small tables rather than for many processors: with a million IDs a
// shard has 4,000, and doubling its table moves as many.
const shardCount = 256

// Registry has the waiters of every ID. It is made by [New] and safe for use by any
// number of goroutines. The package's documentation has the protocol, and the proof
// that no wake-up is lost.
type Registry struct {
	shards  [shardCount]shard
	classes classes

	// seed makes the choice of a shard unpredictable, so that IDs cannot be chosen
	// to fall into one.
	seed maphash.Seed

	// epoch counts the broadcasts. A broadcast reaches the waiters that registered
	// before it moved the count. It is written under broadcast.
	epoch atomic.Uint32

	// terminal is the signal for waiters that register after the end, nil before
	// the end. It is written under broadcast, before epoch moves.
	terminal atomic.Pointer[Signal]

	// broadcast serializes broadcasts. It comes before the shards' locks in the lock
	// order, and only Broadcast takes it.
	broadcast sync.Mutex
}

// New returns an empty registry. It starts nothing and needs no closing.
func New() *Registry {
	r := &Registry{seed: maphash.MakeSeed()}
	origin := time.Now()
	for i := range r.shards {
		r.shards[i].heads = newHeads(r.seed)
		r.shards[i].clock.origin = origin
	}
	return r
}

// locate returns the shard of an ID, and the ID's hash there.
func (r *Registry) locate(id *ID) (sh *shard, hash uint64) {
	h := maphash.Bytes(r.seed, id[:])
	return &r.shards[h%shardCount], h / shardCount
}

// shardOf returns the shard of an ID.
func (r *Registry) shardOf(id *ID) *shard {
	sh, _ := r.locate(id)
	return sh
}

// ExpireAfter gives w a deadline, d from now. A registration that has received no other
// signal by then receives Expired; one that begins later receives it at once. The
// deadline holds until the next call of ExpireAfter; without any call w does not expire.
// w must not be registered.
func (r *Registry) ExpireAfter(w *Waiter, d time.Duration) {
	now := r.shards[0].clock.now()
	w.deadline = max(now+min(int64(d), never-now), 1)
}

// Deadline returns when w expires, by the last ExpireAfter.
func (r *Registry) Deadline(w *Waiter) time.Time {
	return r.shards[0].clock.origin.Add(time.Duration(w.deadline))
}

// Register has w wait for the IDs of the last [Waiter.Watch]. Until it is deregistered, w
// receives at most one signal; after a terminal broadcast it receives that one at once.
// If w is still registered, it is deregistered first.
//
// The caller must look at its data once more after Register and before it blocks, and
// must call Deregister in the end, whatever w received.
func (r *Registry) Register(w *Waiter) {
	r.Deregister(w)
	r.count(w, 1) // before the links, see Waited
	w.epoch, w.signal = r.epoch.Load(), nil
	w.state.Store(armed)
	for i := range w.Len() {
		n := w.node(i)
		sh, hash := r.locate(&n.id)
		if i == 0 {
			sh.waiting.Add(1)
		}
		sh.link(n, hash)
	}
	// After the last link: a terminal broadcast that did not meet w has set it by now.
	if s := r.terminal.Load(); s != nil {
		if w.claim() {
			r.shardOf(&w.first.id).waiting.Add(-1)
			w.send(s)
		}
		r.unlink(w)
	}
}

// Deregister ends the registration of w, if there is one, and leaves nothing of it
// behind. A signal that was not received is thrown away: a caller that must not miss it
// looks at its data again. Deregister may be called any number of times.
func (r *Registry) Deregister(w *Waiter) {
	if w.state.Load() == idle {
		return
	}
	if !w.released() {
		if w.state.CompareAndSwap(armed, idle) {
			r.shardOf(&w.first.id).waiting.Add(-1)
		}
		r.unlink(w)
	}
	select {
	case <-w.c:
	default:
	}
	r.count(w, -1)
	w.state.Store(idle)
}

// unlink unlinks all nodes of w, one lock after the other. It passes through the lock of
// every shard where a sender can find w, also if the node there is unlinked already:
// afterwards no sender works on w.
func (r *Registry) unlink(w *Waiter) {
	for i := range w.Len() {
		n := w.node(i)
		r.shardOf(&n.id).unlink(n)
	}
}

// Notify wakes the waiters of id whose min is below index, and no others, and returns
// their number. The change must be visible to them before the call. Without waiters it
// costs a hash, a lock and a look into a table.
func (r *Registry) Notify(id ID, index uint64) int {
	c := call{signal: Signal{Kind: Changed, ID: id, Index: index}}
	sh, hash := r.locate(&id)
	return wake(sh, hash, id, c)
}

// Broadcast sends s once to every waiter that is registered when it begins, and returns
// their number. The restore that it tells of must be visible before the call.
//
// Closed and Failed are terminal: later registrations receive the terminal signal at
// once, and later broadcasts send it in place of their own. The first terminal signal
// stays, except that a Closed replaces a Failed, since closing is how a failure ends.
func (r *Registry) Broadcast(s Signal) int {
	r.broadcast.Lock()
	defer r.broadcast.Unlock()
	c := call{signal: r.resolve(s), all: true}
	c.epoch = r.epoch.Add(1)
	var ids []ID
	woken := 0
	for i := range r.shards {
		sh := &r.shards[i]
		ids = sh.appendIDs(ids[:0], c.signal.terminal())
		for _, id := range ids {
			woken += wake(sh, sh.heads.hash(&id), id, c)
		}
	}
	return woken
}

// resolve returns the signal to send for a broadcast of s, and stores it if it is
// terminal. The caller holds the broadcast lock.
func (r *Registry) resolve(s Signal) Signal {
	switch last := r.terminal.Load(); {
	case last == nil && s.terminal(), last != nil && last.Kind == Failed && s.Kind == Closed:
		r.terminal.Store(&s)
	case last != nil:
		return *last
	}
	return s
}

// Len returns the number of waiters that are registered and have not been woken. It
// may miscount waiters that come or go during the call.
func (r *Registry) Len() int {
	var n int64
	for i := range r.shards {
		n += r.shards[i].waiting.Load()
	}
	return int(max(n, 0))
}
