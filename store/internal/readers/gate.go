package readers

import (
	"container/heap"
	"sync"
)

// A Gate lets goroutines wait until an index is reached. Its zero value is ready. Without waiters it
// costs the committer one uncontended lock a group.
type Gate struct {
	mu struct {
		sync.Mutex // guards the rest; a leaf lock
		waiting    passes
	}
}

// A Pass is one wait at a Gate.
type Pass struct {
	opened chan struct{}
	index  uint64
	at     int // position in the heap, -1 outside
}

// Opened returns a channel that is closed when the index is reached, or by Wake.
func (p *Pass) Opened() <-chan struct{} { return p.opened }

// Enter begins a wait for an index. Call Enter first, then look whether the index is reached, then
// receive from Opened: a Raise after the look closes it. Call Leave in the end.
func (g *Gate) Enter(index uint64) *Pass {
	p := &Pass{opened: make(chan struct{}), index: index}
	g.mu.Lock()
	defer g.mu.Unlock()
	heap.Push(&g.mu.waiting, p)
	return p
}

// Leave ends a wait.
func (g *Gate) Leave(p *Pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.at >= 0 {
		heap.Remove(&g.mu.waiting, p.at)
	}
}

// Raise ends the waits for the index and those for lower ones, and no others.
func (g *Gate) Raise(index uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.mu.waiting) > 0 && g.mu.waiting[0].index <= index {
		close(heap.Pop(&g.mu.waiting).(*Pass).opened)
	}
}

// Wake ends all waits.
func (g *Gate) Wake() { g.Raise(^uint64(0)) }

// passes is a heap of waits, the lowest index first.
type passes []*Pass

func (h passes) Len() int           { return len(h) }
func (h passes) Less(i, j int) bool { return h[i].index < h[j].index }

func (h passes) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *passes) Push(p any) {
	p.(*Pass).at = len(*h)
	*h = append(*h, p.(*Pass))
}

func (h *passes) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	p.at = -1
	return p
}
