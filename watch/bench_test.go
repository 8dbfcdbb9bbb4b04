package watch_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"allocstore/watch"
)

// BenchmarkNotify wakes all waiters of one ID, among 10,000 on other IDs. Putting
// the woken ones back is not counted.
func BenchmarkNotify(b *testing.B) {
	for _, n := range []int{0, 1, 10, 1000, 100_000} {
		b.Run(fmt.Sprintf("waiters=%d", n), func(b *testing.B) {
			r := watch.New()
			crowd(r, 10_000)
			id := idOf(1 << 20)
			ws := make([]*watch.Waiter, n)
			for i := range ws {
				ws[i] = watch.NewWaiter()
			}
			var spent time.Duration
			for b.Loop() {
				for _, w := range ws {
					register(r, w, 0, id)
				}
				start := time.Now()
				r.Notify(id, 1)
				spent += time.Since(start)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/op")
		})
	}
}

// BenchmarkRegister registers and deregisters one pooled waiter, where others
// already wait.
func BenchmarkRegister(b *testing.B) {
	for _, others := range []int{0, 1_000_000} {
		for _, ids := range []int{1, 10} {
			b.Run(fmt.Sprintf("others=%d/ids=%d", others, ids), func(b *testing.B) {
				r := watch.New()
				ws := crowd(r, others)
				on := make([]watch.ID, ids)
				for i := range on {
					on[i] = idOf(uint64(i)<<32 + 1)
				}
				w := watch.NewWaiter()
				for b.Loop() {
					register(r, w, 0, on...)
					r.Deregister(w)
				}
				runtime.KeepAlive(ws)
			})
		}
	}
}

// BenchmarkRegisterClass registers and deregisters one pooled waiter of a class, in which another
// waits or not.
func BenchmarkRegisterClass(b *testing.B) {
	for _, others := range []int{0, 1} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			r, w := watch.New(), watch.NewWaiter()
			if others > 0 {
				registerClass(r, watch.NewWaiter(), 0, 1, idOf(1))
			}
			for b.Loop() {
				registerClass(r, w, 0, 1, idOf(2))
				r.Deregister(w)
			}
		})
	}
}

// BenchmarkWaited reads the classes that have waiters.
func BenchmarkWaited(b *testing.B) {
	r := watch.New()
	for b.Loop() {
		r.Waited()
	}
}

// BenchmarkCycle is a whole wait on the same or on different IDs, from all
// processors at once.
func BenchmarkCycle(b *testing.B) {
	r := watch.New()
	b.RunParallel(func(pb *testing.PB) {
		w := watch.NewWaiter()
		for i := 0; pb.Next(); i++ {
			id := idOf(i & 0xffff)
			register(r, w, 0, id)
			r.Notify(id, 1)
			r.Deregister(w)
		}
	})
}

// BenchmarkMemory reports the heap that a million waiters on a million IDs hold.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		r := watch.New()
		ws := crowd(r, n)
		b.ReportMetric(float64(heap()-before)/n, "B/waiter")
		runtime.KeepAlive(ws)
		runtime.KeepAlive(r)
	}
}

// BenchmarkBroadcast wakes a million waiters on a million IDs.
func BenchmarkBroadcast(b *testing.B) {
	r := watch.New()
	ws := crowd(r, 1_000_000)
	var spent time.Duration
	for b.Loop() {
		for i, w := range ws {
			register(r, w, 0, idOf(i))
		}
		start := time.Now()
		r.Broadcast(watch.Signal{Kind: watch.Restored, Index: 1})
		spent += time.Since(start)
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/op")
}
