package watch_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// timedWaiter is a waiter with a deadline, and its state in a naive model.
type timedWaiter struct {
	w     *watch.Waiter
	ids   []watch.ID
	until time.Time
	armed bool
	inbox watch.Kind
}

// clockRig drives a registry of waiters with deadlines, in a bubble where only the sleeps
// of the test let time pass.
type clockRig struct {
	t   *testing.T
	r   *watch.Registry
	rnd *rand.Rand
	ids int
	all []*timedWaiter
}

// step does one operation on one waiter, without letting time pass.
func (g *clockRig) step() {
	s := g.all[g.rnd.IntN(len(g.all))]
	switch g.rnd.IntN(8) {
	case 0, 1, 2:
		g.r.Deregister(s.w)
		d := time.Duration(g.rnd.IntN(500)-10)*time.Millisecond + time.Duration(g.rnd.IntN(3))
		if g.rnd.IntN(16) == 0 {
			d = math.MaxInt64 // beyond the range of a clock
		}
		g.r.ExpireAfter(s.w, d)
		s.until = time.Now().Add(d)
		g.register(s)
	case 3:
		g.register(s) // with the same deadline
	case 4:
		g.r.Deregister(s.w)
		s.armed, s.inbox = false, 0
	case 5, 6:
		g.notify(idOf(g.rnd.IntN(g.ids)))
	default:
		if g.rnd.IntN(20) == 0 {
			g.r.Broadcast(watch.Signal{Kind: watch.Restored})
			g.send(watch.Restored, func(*timedWaiter) bool { return true })
		}
	}
}

func (g *clockRig) register(s *timedWaiter) {
	s.ids = s.ids[:0]
	for range 1 + max(0, g.rnd.IntN(6)-3) {
		s.ids = append(s.ids, idOf(g.rnd.IntN(g.ids)))
	}
	register(g.r, s.w, 0, s.ids...)
	s.armed, s.inbox = true, 0
	if !s.until.After(time.Now()) {
		time.Sleep(time.Nanosecond) // let the clock run before the next step
		g.check()
	}
}

func (g *clockRig) notify(id watch.ID) {
	g.r.Notify(id, 1)
	g.send(watch.Changed, func(s *timedWaiter) bool {
		for _, on := range s.ids {
			if on == id {
				return true
			}
		}
		return false
	})
}

// send sends a signal in the model.
func (g *clockRig) send(k watch.Kind, to func(*timedWaiter) bool) {
	for _, s := range g.all {
		if s.armed && to(s) {
			s.armed, s.inbox = false, k
		}
	}
}

// sleep lets time pass, often until the next deadline or until just before it.
func (g *clockRig) sleep() {
	d := time.Duration(g.rnd.IntN(50)) * time.Millisecond
	for _, s := range g.all {
		if left := time.Until(s.until); s.armed && left > 1 && g.rnd.IntN(2) == 0 {
			d = min(d, left-time.Duration(g.rnd.IntN(2)))
		}
	}
	time.Sleep(d)
	g.check()
}

// check lets the clock run, and compares the registry with the model.
func (g *clockRig) check() {
	synctest.Wait()
	now, armed, deadlines := time.Now(), 0, 0
	g.send(watch.Expired, func(s *timedWaiter) bool { return !s.until.After(now) })
	for _, s := range g.all {
		if s.armed {
			armed++
		}
		require.Equal(g.t, s.inbox == 0, len(s.w.C()) == 0, "a waiter receives Expired when its time is up, and not before")
		if len(s.w.C()) > 0 && g.rnd.IntN(2) == 0 {
			require.Equal(g.t, s.inbox, pending(s.w).Kind)
			s.inbox = 0
		}
	}
	require.Equal(g.t, armed, g.r.Len())
	deadlines = g.r.Deadlines(g.t)
	require.GreaterOrEqual(g.t, deadlines, armed, "an armed waiter has a deadline in a clock")
	require.LessOrEqual(g.t, deadlines, len(g.all), "a waiter that has left has none")
}

func TestClockOracle(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		t.Logf("seed %#x", seed)
		synctest.Test(t, func(t *testing.T) {
			g := &clockRig{t: t, r: watch.New(), rnd: rand.New(rand.NewPCG(seed, 0))}
			g.ids = 1 + g.rnd.IntN(9)
			for range 1 + g.rnd.IntN(90) {
				g.all = append(g.all, &timedWaiter{w: watch.NewWaiter(), until: time.Now().Add(time.Second)})
				g.r.ExpireAfter(g.all[len(g.all)-1].w, time.Second)
			}
			for range 300 {
				for range g.rnd.IntN(10) {
					g.step()
				}
				g.sleep()
			}
			for _, s := range g.all {
				g.r.Deregister(s.w)
			}
			requireEmpty(t, g.r)
			require.Zero(t, g.r.Deadlines(t), "a waiter that has left leaves no deadline behind")
		})
	}
}

// TestExpire has the clock race with writers, and with readers that leave and come back. A
// reader receives one signal, from the clock if from no writer.
func TestExpire(t *testing.T) {
	t.Parallel()
	r := watch.New()
	var wg sync.WaitGroup
	var expired atomic.Int64
	const readers, rounds, ids = 1000, 20, 50
	for i := range readers {
		wg.Go(func() {
			w := watch.NewWaiter()
			for k := range rounds {
				r.ExpireAfter(w, time.Duration((i*7+k*13)%200)*time.Microsecond)
				register(r, w, 0, idOf(i%ids), idOf((i+k)%ids))
				switch {
				case k%4 == 3: // leaves while the clock may be about to send
				case receive(w).Kind == watch.Expired:
					expired.Add(1)
				}
				r.Deregister(w)
				require.Empty(t, w.C(), "nothing arrives after Deregister")
			}
		})
	}
	var over atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; !over.Load(); i++ {
			r.Notify(idOf(i%ids), 1)
		}
	})
	wg.Wait()
	over.Store(true)
	writer.Wait()
	require.Positive(t, expired.Load())
	requireEmpty(t, r)
	require.Zero(t, r.Deadlines(t))
}

// TestExpireReachesAll has more waiters expire at one instant than a turn wakes.
func TestExpireReachesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 5 * watch.Turn
		r := watch.New()
		ws := make([]*watch.Waiter, n)
		for i := range ws {
			ws[i] = watch.NewWaiter()
			r.ExpireAfter(ws[i], time.Minute)
			register(r, ws[i], 0, idOf(1))
			require.Zero(t, time.Now().Add(time.Minute).Sub(r.Deadline(ws[i])), "the deadline that it was given")
		}
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		require.Equal(t, n, r.Len(), "no waiter expires early")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		requireEmpty(t, r)
		for _, w := range ws {
			require.Equal(t, watch.Expired, pending(w).Kind)
		}
	})
}

// TestExpiryStaysWithItsRegistration ends a registration, at the very instant that
// it expires, and begins another.
func TestExpiryStaysWithItsRegistration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, w := watch.New(), watch.NewWaiter()
		for range 1000 {
			r.ExpireAfter(w, time.Second)
			register(r, w, 0, idOf(1))
			time.Sleep(time.Second) // the timer runs now, before or after the next line
			r.Deregister(w)
			r.ExpireAfter(w, time.Minute)
			register(r, w, 0, idOf(1))
			time.Sleep(time.Minute - 1)
			synctest.Wait()
			require.Empty(t, w.C(), "the expiry of one registration does not reach the next")
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			require.Equal(t, watch.Expired, pending(w).Kind)
			register(r, w, 0, idOf(1))
			require.Equal(t, watch.Expired, receive(w).Kind, "a registration after the deadline expires at once")
			r.Deregister(w)
		}
	})
}

// TestClockForgetsEndedWaits has waits end early at full rate: their deadlines do not pile
// up, and the timer does not run for each.
func TestClockForgetsEndedWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, w := watch.New(), watch.NewWaiter()
		for i := range 100_000 {
			r.ExpireAfter(w, 5*time.Minute+time.Duration(i*7919%1000)*time.Millisecond)
			register(r, w, 0, idOf(1))
			require.Equal(t, 1, r.Notify(idOf(1), 1))
			r.Deregister(w)
			if i%1000 == 0 {
				require.Zero(t, r.Deadlines(t))
			}
		}
		require.Equal(t, 1, r.Timers(), "one timer for all of a shard")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Zero(t, r.Timers(), "it runs once for nothing, and then rests")
	})
}

// TestEndStopsTheClocks leaves no timer behind a terminal signal.
func TestEndStopsTheClocks(t *testing.T) {
	t.Parallel()
	for _, end := range []watch.Kind{watch.Closed, watch.Failed} {
		r := watch.New()
		ws := crowd(r, 1000)
		require.Equal(t, 1000, r.Deadlines(t))
		require.Equal(t, 1000, r.Broadcast(watch.Signal{Kind: end}))
		require.Zero(t, r.Deadlines(t))
		require.Zero(t, r.Timers(), "the end leaves no timer behind")
		for i, w := range ws {
			r.ExpireAfter(w, time.Minute)
			register(r, w, 0, idOf(i))
			require.Equal(t, end, pending(w).Kind)
			r.Deregister(w)
		}
		require.Zero(t, r.Timers(), "nor do later registrations")
	}
}
