package watch

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A map that has had at least shrinkFrom entries is rebuilt as soon as fewer than
// one in shrinkTo of them is left, for Go's maps never shrink. The copying is paid
// for by the deletions that went before it.
const (
	shrinkFrom = 128
	shrinkTo   = 8
)

// node is one place of a waiter: a link in the list of those who wait on one ID.
// It lives inside its waiter, so that waiting on one ID allocates no node. A node
// without a waiter is a bookmark, where a walk goes on after its lock's pause.
type node struct {
	next, prev *node // guarded by the shard's mu; prev is nil for the head
	w          *Waiter
	id         ID
	slot       int32 // one past its place in the shard's clock, 0 if it has none; guarded by the shard's mu
	linked     bool  // guarded by the shard's mu
}

// shard is a part of the registry: the lists of those IDs whose hash selects it.
type shard struct {
	// mu guards heads, peak, clock and the links of all nodes listed here. It is
	// the last in the lock order and nobody holds two of them. Under it nothing
	// blocks and no caller's code runs: a send finds room.
	mu sync.Mutex

	// heads maps an ID to the first node of its list.
	// Invariant: no list is empty.
	heads map[ID]*node

	peak int // the most entries that heads has had since it was made

	// clock has the deadlines of those whose first node is listed here.
	clock clock

	// waiting counts the armed waiters that were counted in here, less those
	// that were counted out here. A waiter on IDs of several shards may come
	// in here and go out there, so only the sum over all shards has a meaning.
	waiting atomic.Int64

	_ [24]byte // cache lines of its own, or neighbours slow each other down
}

// link puts n at the head of its ID's list, and its waiter's deadline into the
// clock. At the head, since a walk that is under way then never meets those who came
// after it began.
func (sh *shard) link(n *node) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.insertLocked(n, sh.heads[n.id])
	if n == &n.w.first && n.w.deadline != 0 {
		sh.addLocked(n)
	}
}

// insertLocked puts n before at, which is nil for a list of n alone.
func (sh *shard) insertLocked(n, at *node) {
	n.next, n.prev, n.linked = at, nil, true
	if at != nil {
		n.prev, at.prev = at.prev, n
	}
	if n.prev != nil {
		n.prev.next = n
		return
	}
	sh.setHeadLocked(n)
}

// setHeadLocked makes n the head of its ID's list.
func (sh *shard) setHeadLocked(n *node) {
	if sh.heads == nil {
		sh.heads = make(map[ID]*node)
	}
	sh.heads[n.id] = n
	sh.peak = max(sh.peak, len(sh.heads))
}

// unlink takes n out of its list if it is in one.
func (sh *shard) unlink(n *node) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if n.linked {
		sh.unlinkLocked(n)
	}
}

// unlinkLocked takes a linked n out of its list and out of the clock, and the list
// out of the map with its last node.
func (sh *shard) unlinkLocked(n *node) {
	if n.slot > 0 {
		sh.clock.remove(n)
	}
	next, prev := n.next, n.prev
	n.next, n.prev, n.linked = nil, nil, false
	if next != nil {
		next.prev = prev
	}
	switch {
	case prev != nil:
		prev.next = next
	case next != nil:
		sh.heads[n.id] = next
	default:
		delete(sh.heads, n.id)
		sh.shrinkLocked()
	}
}

// shrinkLocked gives back the memory of a map that has become too large.
func (sh *shard) shrinkLocked() {
	if sh.peak < shrinkFrom || len(sh.heads) >= sh.peak/shrinkTo {
		return
	}
	small := make(map[ID]*node, len(sh.heads))
	maps.Copy(small, sh.heads)
	sh.heads, sh.peak = small, len(small)
}

// appendIDs appends the IDs that somebody waits on. At the end it also stops the
// clock: those who are here are told of the end, and so are those who come.
func (sh *shard) appendIDs(ids []ID, end bool) []ID {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if end {
		sh.clock.stopLocked()
	}
	for id := range sh.heads {
		ids = append(ids, id)
	}
	return ids
}
