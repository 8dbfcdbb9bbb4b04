package machine

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Resident is the resident memory of the process in bytes, as the system counts it.
// It is 0 where the system does not report it.
type Resident struct {
	Anonymous int64 // memory of the process itself
	Mapped    int64 // pages of files, mostly of stores; the system reclaims them when it needs memory
	Peak      int64 // maximum of both together
}

// ResidentNow returns the current values.
func ResidentNow() Resident {
	const file = "/proc/self/status"
	return Resident{
		Anonymous: kilobytes(file, "RssAnon"),
		Mapped:    kilobytes(file, "RssFile") + kilobytes(file, "RssShmem"),
		Peak:      kilobytes(file, "VmHWM"),
	}
}

// InUse returns the reachable bytes of the heap and the bytes of the stacks. It
// collects twice, since pooled and finalized objects survive one collection.
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

// A Watch samples the anonymous memory of the process.
type Watch struct {
	most atomic.Int64
	stop chan struct{}
	once sync.Once
	over sync.WaitGroup
}

// NewWatch starts a watch that samples at the given interval. Stop ends it.
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

// Stop ends the watch and returns the maximum that it sampled.
func (w *Watch) Stop() int64 {
	w.once.Do(func() { close(w.stop) })
	w.over.Wait()
	return w.most.Load()
}
