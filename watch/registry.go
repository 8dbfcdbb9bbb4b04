package watch

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// shardCount is how many parts a registry has, a power of two. They are many for
// short locks and small tables rather than for many processors: a part of a
// million IDs has 4,000, and doubling its table moves as many.
const shardCount = 256

// Registry knows who waits on what. It is made by [New] and safe for use by any
// number of goroutines. The package's documentation has the protocol and the
// proof that it loses no wake-up.
type Registry struct {
	shards [shardCount]shard

	// seed makes the choice of a shard unpredictable, so that nobody can pick
	// IDs that all fall into one.
	seed maphash.Seed

	// epoch counts the broadcasts. A broadcast reaches those who registered
	// before it moved the count. It is written under broadcast.
	epoch atomic.Uint32

	// terminal is the signal for those who come too late, nil before there is
	// one. It is written under broadcast, before epoch moves.
	terminal atomic.Pointer[Signal]

	// broadcast makes broadcasts take turns. It comes before the shards' locks
	// in the lock order; only Broadcast takes it.
	broadcast sync.Mutex
}

// New returns an empty registry. It starts nothing and needs no closing.
func New() *Registry {
	r := &Registry{seed: maphash.MakeSeed()}
	origin := time.Now()
	for i := range r.shards {
		r.shards[i].seed, r.shards[i].clock.origin = r.seed, origin
	}
	return r
}

// shardOf returns the part of the registry that an ID belongs to.
func (r *Registry) shardOf(id ID) *shard {
	sh, _ := r.locate(&id)
	return sh
}

// locate returns the part of the registry that an ID belongs to, and its hash there.
func (r *Registry) locate(id *ID) (sh *shard, hash uint64) {
	h := maphash.Bytes(r.seed, id[:])
	return &r.shards[h%shardCount], h / shardCount
}

// ExpireAfter has the registrations of w end with an Expired signal, if they receive
// no other, when d has passed from now on. One that begins later receives it at once.
// This holds until ExpireAfter is called again; w must not be registered then. A
// waiter for which it was never called does not expire.
func (r *Registry) ExpireAfter(w *Waiter, d time.Duration) {
	now := r.shards[0].clock.now()
	w.deadline = max(now+min(int64(d), never-now), 1)
}

// Register makes w wait for what [Waiter.Watch] said. From now on until it is
// deregistered w receives at most one signal; after a terminal broadcast it receives
// that one at once. A w that is still registered is deregistered first.
//
// The caller must look at its data once more after Register and before it
// blocks, and must call Deregister in the end, whatever w received.
func (r *Registry) Register(w *Waiter) {
	r.Deregister(w)
	w.arm(r.epoch.Load())
	for i := range w.Len() {
		n := w.place(i)
		sh, hash := r.locate(&n.id)
		if i == 0 {
			sh.waiting.Add(1)
		}
		sh.link(n, hash)
	}
	// Only now: a broadcast that did not meet w has set it before.
	if s := r.terminal.Load(); s != nil {
		r.refuse(w, s)
	}
}

// refuse sends a terminal signal to a waiter that has just been registered,
// unless it has one already, and takes it out again.
func (r *Registry) refuse(w *Waiter, s *Signal) {
	if w.claim() {
		r.shardOf(w.first.id).waiting.Add(-1)
		w.send(s)
	}
	r.unlink(w)
}

// Deregister ends the registration of w, if there is one, and leaves nothing of
// it behind. A signal that was not received by now is thrown away, so that w is
// as good as new; a caller that cares looks at its data again. It may be called
// any number of times.
func (r *Registry) Deregister(w *Waiter) {
	if w.state.Load() == idle {
		return
	}
	if !w.released() {
		if w.withdraw() {
			r.shardOf(w.first.id).waiting.Add(-1)
		}
		r.unlink(w)
	}
	w.reset()
}

// unlink takes all of w's nodes out of their lists, one lock after the other.
// It passes through the lock of every shard that w may be reached from, also
// when there is nothing left to unlink: afterwards no sender is at work on w.
func (r *Registry) unlink(w *Waiter) {
	for i := range w.Len() {
		n := w.place(i)
		r.shardOf(n.id).unlink(n)
	}
}

// Notify wakes the waiters of id whose min is below index, and nobody else, and
// returns how many it woke. What changed must be visible to them before it is
// called. It costs a hash, a lock and a look into a table if nobody waits.
func (r *Registry) Notify(id ID, index uint64) int {
	c := call{signal: Signal{Kind: Changed, ID: id, Index: index}}
	sh, hash := r.locate(&id)
	return wake(sh, hash, id, c)
}

// Broadcast sends s to everybody who is registered when it begins, each once,
// and returns how many it woke. What it tells must be visible before it is
// called.
//
// Closed and Failed are terminal: whoever registers afterwards receives that
// signal at once. The first one stays, but for a Closed that follows a Failed
// and takes its place, since closing is how a failure ends. Whatever else is
// broadcast after a terminal signal, the terminal one is sent in its stead.
func (r *Registry) Broadcast(s Signal) int {
	r.broadcast.Lock()
	defer r.broadcast.Unlock()
	c := call{signal: r.settle(s), all: true}
	c.epoch = r.epoch.Add(1)
	var ids []ID
	woken := 0
	for i := range r.shards {
		sh := &r.shards[i]
		ids = sh.appendIDs(ids[:0], c.signal.terminal())
		for _, id := range ids {
			woken += wake(sh, sh.hash(&id), id, c)
		}
	}
	return woken
}

// settle returns what is really sent when s is to be broadcast, and remembers it
// if it is terminal. The caller holds the broadcast lock.
func (r *Registry) settle(s Signal) Signal {
	last := r.terminal.Load()
	closes := last != nil && last.Kind == Failed && s.Kind == Closed
	switch {
	case closes, last == nil && s.terminal():
		r.terminal.Store(&s)
	case last != nil:
		return *last
	}
	return s
}

// Len returns how many waiters are registered and have not been woken. While
// others come and go it may be off by those who do.
func (r *Registry) Len() int {
	var n int64
	for i := range r.shards {
		n += r.shards[i].waiting.Load()
	}
	return int(max(n, 0))
}
