package watch

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// node is a link in the list of the waiters of one ID. It lives inside its waiter, so
// that waiting on one ID allocates no node. A node without a waiter is a bookmark: a
// walk goes on there after a pause.
//
// next, prev, slot, head and linked are guarded by the shard's mu.
type node struct {
	next *node
	prev *node // in the head of a list: the next head in its bucket
	w    *Waiter
	id   ID
	slot int32 // one past its place in the shard's clock, 0 if it is not there

	head, linked bool

	class uint16 // of a waiter's first node: one more than the waiter's class, 0 for none
}

// shard has the lists of the IDs whose hash selects it. Its size is two cache lines, so
// that neighbours do not slow each other down.
type shard struct {
	// mu guards heads, clock and the links of all nodes listed here. It is the last
	// in the lock order, and no goroutine holds two of them. Under it nothing blocks
	// and no caller's code runs; a send finds room.
	mu sync.Mutex

	// heads has the first node of each ID's list.
	// Invariant: a linked node is in the list of its ID, and no list is empty.
	heads heads

	// clock has the deadlines of the waiters.
	// Invariant: it has the first node of a waiter with a deadline while that is linked here.
	clock clock

	// waiting counts the armed waiters. It goes up in the shard of a waiter's first ID
	// and down in the shard where the waiter is woken, so only the sum over all
	// shards has a meaning.
	waiting atomic.Int64
}

// link puts n at the head of its ID's list, and its waiter's deadline into the clock.
// A walk that is under way has passed the head, so it never meets a new node.
func (sh *shard) link(n *node, hash uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.heads.push(n, hash)
	n.linked = true
	if n == &n.w.first && n.w.deadline != 0 {
		heap.Push(&sh.clock.deadlines, n)
		sh.setTimerLocked(n.w.deadline)
	}
}

// insertLocked puts n before at, which is linked.
func (sh *shard) insertLocked(n, at *node) {
	n.linked = true
	if at.head {
		sh.heads.push(n, sh.heads.hash(&n.id))
		return
	}
	n.next, n.prev = at, at.prev
	n.prev.next, at.prev = n, n
}

// unlink takes n out of its list and out of the clock, if it is linked.
func (sh *shard) unlink(n *node) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if n.linked {
		sh.unlinkLocked(n)
	}
}

// unlinkLocked is unlink of a linked node.
func (sh *shard) unlinkLocked(n *node) {
	if n.slot > 0 {
		sh.clock.remove(n)
	}
	if n.head {
		sh.heads.pop(n, sh.heads.hash(&n.id))
	} else {
		n.prev.next = n.next
		if n.next != nil {
			n.next.prev = n.prev
		}
	}
	n.next, n.prev, n.head, n.linked = nil, nil, false, false
}

// appendIDs appends the IDs that have waiters. If terminal is set, it also stops the
// clock: the broadcast wakes the waiters that are here, and Register the later ones.
func (sh *shard) appendIDs(ids []ID, terminal bool) []ID {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if terminal {
		sh.clock.stop()
	}
	return sh.heads.appendIDs(ids)
}
