package watch_test

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// classSet returns a set of classes.
func classSet(all ...watch.Class) (set watch.Classes) {
	for _, c := range all {
		set[c/64] |= 1 << (c % 64)
	}
	return set
}

func TestWaited(t *testing.T) {
	t.Parallel()
	r, id := watch.New(), watch.ID{1}
	require.Zero(t, r.Waited())
	a, b, c := watch.NewWaiter(), watch.NewWaiter(), watch.NewWaiter()
	a.WatchClass(0, 5, id)
	require.Zero(t, r.Waited(), "a class has waiters from Register on")
	r.Register(a)
	registerClass(r, b, 0, 5, watch.ID{2})
	registerClass(r, c, 0, 255, id)
	require.Equal(t, classSet(5, 255), r.Waited())

	require.Equal(t, 2, r.Notify(id, 1), "a class changes nothing of a Notify")
	require.Equal(t, classSet(5, 255), r.Waited(), "a woken waiter counts until it deregisters")
	r.Deregister(a)
	r.Deregister(a)
	require.Equal(t, classSet(5, 255), r.Waited(), "another one has the class")
	r.Deregister(c)
	require.Equal(t, classSet(5), r.Waited())

	r.Broadcast(watch.Signal{Kind: watch.Restored, Index: 2})
	require.Equal(t, classSet(5), r.Waited(), "also after a broadcast")
	r.Register(b)
	r.Register(b)
	require.Equal(t, classSet(5), r.Waited(), "a waiter that registers again counts once")
	r.Deregister(b)
	requireEmpty(t, r)
}

func TestWatchDropsTheClass(t *testing.T) {
	t.Parallel()
	r, w := watch.New(), watch.NewWaiter()
	registerClass(r, w, 0, 9, watch.ID{1})
	registerClass(r, w, 0, 70, watch.ID{1})
	require.Equal(t, classSet(70), r.Waited(), "the last WatchClass holds")
	register(r, w, 0, watch.ID{1})
	require.Zero(t, r.Waited(), "Watch has no class")
	r.Deregister(w)
	w.WatchClass(0, 9, watch.ID{1})
	w.Watch(0)
	r.Register(w)
	require.Zero(t, r.Waited(), "nor has it without IDs")
	r.Deregister(w)
	requireEmpty(t, r)
}

func TestClassKeepsWatch(t *testing.T) {
	t.Parallel()
	w := watch.NewWaiter()
	w.Watch(1, watch.ID{1}, watch.ID{2})
	w.WatchClass(7, 3, watch.ID{4})
	require.EqualValues(t, 7, w.Min())
	require.Equal(t, 1, w.Len(), "WatchClass replaces the IDs")
	require.Equal(t, watch.ID{4}, *w.ID(0))
}

// TestClassesAfterTheEnd has waiters of a class meet a terminal broadcast, before it and after it.
func TestClassesAfterTheEnd(t *testing.T) {
	t.Parallel()
	r := watch.New()
	before, after := watch.NewWaiter(), watch.NewWaiter()
	registerClass(r, before, 0, 1, watch.ID{1})
	r.Broadcast(watch.Signal{Kind: watch.Closed})
	registerClass(r, after, 0, 2, watch.ID{1})
	require.Equal(t, watch.Closed, receive(before).Kind)
	require.Equal(t, watch.Closed, receive(after).Kind)
	require.Equal(t, classSet(1, 2), r.Waited())
	r.Deregister(before)
	r.Deregister(after)
	requireEmpty(t, r)
}

func TestClassesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := watch.New(), watch.NewWaiter()
		r.ExpireAfter(w, time.Second)
		registerClass(r, w, 0, 1, watch.ID{1})
		require.Equal(t, watch.Expired, receive(w).Kind)
		require.Equal(t, classSet(1), r.Waited())
		r.Deregister(w)
		requireEmpty(t, r)
	})
}

// TestClassesOfMany has goroutines come and go in all classes at once. Each sees its own class as
// long as it is registered.
func TestClassesOfMany(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := watch.New()
	var wg sync.WaitGroup
	for i := range uint64(8) {
		wg.Go(func() {
			rnd, w := rand.New(rand.NewPCG(seed, i)), watch.NewWaiter()
			for range 2000 {
				c := watch.Class(rnd.IntN(4) * 85)
				registerClass(r, w, 0, c, idOf(rnd.IntN(3)))
				if !has(r.Waited(), c) {
					t.Errorf("class %d has a waiter, but is not waited for", c)
				}
				if rnd.IntN(2) == 0 {
					r.Notify(idOf(rnd.IntN(3)), 1)
				}
				r.Deregister(w)
			}
		})
	}
	wg.Wait()
	requireEmpty(t, r)
}

// TestClassProtocol runs the steps of a reader and of a writer in every order of the two. The reader
// sees the change or is woken. A writer that asks before it publishes can miss the reader.
func TestClassProtocol(t *testing.T) {
	t.Parallel()
	publish, ask, notify := (*protocol).publish, (*protocol).ask, (*protocol).notify
	require.Zero(t, missed([]step{publish, ask, notify}), "a wake-up is lost")
	require.Positive(t, missed([]step{ask, publish, notify}), "the test can fail")
}

// protocol is one reader and one writer.
type protocol struct {
	r         *watch.Registry
	w         *watch.Waiter
	published bool
	waited    watch.Classes // as the writer sees them
	seen      bool          // by the reader's second look
}

type step func(*protocol)

func (p *protocol) register() { registerClass(p.r, p.w, 0, 7, watch.ID{1}) }
func (p *protocol) look()     { p.seen = p.published }
func (p *protocol) publish()  { p.published = true }
func (p *protocol) ask()      { p.waited = p.r.Waited() }

func (p *protocol) notify() {
	if has(p.waited, 7) {
		p.r.Notify(watch.ID{1}, 1)
	}
}

// missed counts the orders of the writer's and the reader's steps that lose the wake-up.
func missed(writer []step) (n int) {
	reader := []step{(*protocol).register, (*protocol).look}
	for order := range 1 << (len(writer) + len(reader)) { // a bit is set for a step of the reader
		if bits.OnesCount(uint(order)) != len(reader) {
			continue
		}
		p := &protocol{r: watch.New(), w: watch.NewWaiter()}
		rest := [2][]step{writer, reader}
		for i := range len(writer) + len(reader) {
			next := &rest[order>>i&1]
			(*next)[0](p)
			*next = (*next)[1:]
		}
		if !p.seen && pending(p.w) == (watch.Signal{}) {
			n++
		}
	}
	return n
}
