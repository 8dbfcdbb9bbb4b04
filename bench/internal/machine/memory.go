package machine

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Resident is the process's memory as the system sees it, in bytes. All is 0 on a
// system that does not tell.
type Resident struct {
	Anonymous int64 // what the process itself has taken
	Mapped    int64 // pages of files, the stores' above all, which the system takes back when it needs them
	Peak      int64 // the most that both together have been
}

// ResidentNow asks the system.
func ResidentNow() Resident {
	const file = "/proc/self/status"
	return Resident{
		Anonymous: kilobytes(file, "RssAnon"),
		Mapped:    kilobytes(file, "RssFile") + kilobytes(file, "RssShmem"),
		Peak:      kilobytes(file, "VmHWM"),
	}
}

// InUse returns the bytes of what is reachable on the heap, and of the stacks.
// Two collections: what a pool holds, and what has a finalizer, outlives one.
func InUse() (heap, stacks int64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// Release returns unused memory to the system.
func Release() { debug.FreeOSMemory() }

// DescriptorBytes measures the memory that the runtime keeps for each of n
// goroutines after they have ended, to reuse it. Only the first n goroutines of a
// process allocate it, so a measurement of later ones does not show it.
func DescriptorBytes(n int) float64 {
	before, _ := InUse()
	over := make(chan struct{})
	var left sync.WaitGroup
	for range n {
		left.Go(func() { <-over })
	}
	close(over)
	left.Wait()
	after, _ := InUse()
	return float64(after-before) / float64(n)
}

// A Watch looks at the process's own memory now and then.
type Watch struct {
	most atomic.Int64
	stop chan struct{}
	once sync.Once
	over sync.WaitGroup
}

// NewWatch starts a watch, which Stop ends.
func NewWatch(every time.Duration) *Watch {
	w := &Watch{stop: make(chan struct{})}
	w.over.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			w.most.Store(max(w.most.Load(), ResidentNow().Anonymous))
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// Stop ends the watch and returns the most anonymous memory that it has seen.
func (w *Watch) Stop() int64 {
	w.once.Do(func() { close(w.stop) })
	w.over.Wait()
	return w.most.Load()
}
