package watch_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// herd blocks n goroutines on one ID and returns a function that waits until all of them
// are awake and have left.
func herd(r *watch.Registry, n int) (gone func()) {
	var wg sync.WaitGroup
	for range n {
		w := registered(r, 0, idOf(1))
		wg.Go(func() {
			<-w.C()
			r.Deregister(w)
		})
	}
	return wg.Wait
}

func TestHerdIsWokenByOneWrite(t *testing.T) {
	const n = 100_000
	r := watch.New()
	gone := herd(r, n)
	for r.Len() < n {
		runtime.Gosched()
	}
	start := time.Now()
	require.Equal(t, n, r.Notify(idOf(1), 1), "one write wakes the whole herd")
	notified := time.Since(start)
	gone()
	awake := time.Since(start)
	t.Logf("%d waiters: Notify returned after %v, the last was gone after %v", n, notified, awake)
	requireEmpty(t, r)
	require.Less(t, awake, 5*time.Second, "waking a herd takes linear time")
}

// TestHerdChangesDuringTheWalk has waiters leave and join a long list during several walks,
// so that bookmarks meet each other and lose their neighbours.
func TestHerdChangesDuringTheWalk(t *testing.T) {
	const n = 8 * watch.Turn
	for range 20 {
		synctest.Test(t, func(t *testing.T) { walks(t, n) })
	}
}

func walks(t *testing.T, n int) {
	r := watch.New()
	ws := make([]*watch.Waiter, n)
	for i := range ws {
		ws[i] = registered(r, uint64(i%4), idOf(1)) // mins 0 to 3
	}
	var woken atomic.Int64
	var wg sync.WaitGroup
	for _, index := range []uint64{1, 2, 3} { // a min of 3 stays
		wg.Go(func() { woken.Add(int64(r.Notify(idOf(1), index))) })
	}
	wg.Go(func() {
		for i := n - 1; i >= 0; i -= 3 {
			r.Deregister(ws[i])
		}
	})
	wg.Go(func() {
		for range n {
			r.Deregister(registered(r, 3, idOf(1)))
		}
	})
	wg.Wait()
	signals := int64(0)
	for i, w := range ws {
		signals += int64(len(w.C()))
		gone := (n-1-i)%3 == 0
		require.Equal(t, !gone && i%4 < 3, len(w.C()) == 1, "waiter %d: exactly the waiters that stayed and have a lower min are woken", i)
		r.Deregister(w)
	}
	require.GreaterOrEqual(t, woken.Load(), signals, "every signal was counted")
	require.LessOrEqual(t, woken.Load(), int64(n), "and counted once")
	requireEmpty(t, r)
}

// heap returns the bytes of live heap objects.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// crowd registers n new waiters, each on an ID of its own and with a deadline.
func crowd(r *watch.Registry, n int) []*watch.Waiter {
	ws := make([]*watch.Waiter, n)
	for i := range ws {
		ws[i] = watch.NewWaiter()
		r.ExpireAfter(ws[i], 5*time.Minute+time.Duration(i*7919%20_000)*time.Millisecond)
		register(r, ws[i], 0, idOf(i))
	}
	return ws
}

func TestMemory(t *testing.T) {
	const n = 300_000
	before := heap()
	r := watch.New()
	ws := crowd(r, n)
	each := (heap() - before) / n
	t.Logf("%d B a waiter", each)
	require.Less(t, each, int64(400), "a blocked reader's registration is lean")
	require.Equal(t, n, r.Len())

	for _, w := range ws {
		r.Deregister(w)
	}
	requireEmpty(t, r)
	require.Less(t, r.Buckets(), 256*128, "tables shrink after a mass deregistration")
	ws = nil
	left := heap() - before
	t.Logf("%d B left", left)
	require.Less(t, left, int64(2<<20), "memory is given back after a mass deregistration")
	runtime.KeepAlive(r)
}

func TestAllocations(t *testing.T) {
	r := watch.New()
	w := watch.NewWaiter()
	require.EqualValues(t, 2, testing.AllocsPerRun(100, func() {
		register(r, w, 0, idOf(1), idOf(2))
		r.Notify(idOf(2), 1)
		r.Deregister(w)
		register(r, w, 0, idOf(1))
		r.Notify(idOf(1), 1)
		r.Deregister(w)
	}), "only a Notify that wakes a waiter allocates, the signal")
}
