package watch

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// node is one place of a waiter: a link in the list of those who wait on one ID.
// It lives inside its waiter, so that waiting on one ID allocates no node. A node
// without a waiter is a bookmark, where a walk goes on after its lock's pause.
//
// Its links, slot, head and linked are guarded by the shard's mu.
type node struct {
	next *node
	prev *node // of the head of a list: the next head in its bucket
	w    *Waiter
	id   ID
	slot int32 // one past its place in the shard's clock, 0 if it has none

	head, linked bool
}

// shard is a part of the registry: the lists of those IDs whose hash selects it. It
// fills two cache lines, or neighbours would slow each other down.
type shard struct {
	// mu guards heads, clock and the links of all nodes listed here. It is the
	// last in the lock order and nobody holds two of them. Under it nothing
	// blocks and no caller's code runs: a send finds room.
	mu sync.Mutex

	// heads has the first node of each ID's list.
	// Invariant: no list is empty.
	heads heads

	// clock has the deadlines of those whose first node is listed here.
	clock clock

	seed maphash.Seed // the registry's

	// waiting counts the armed waiters that were counted in here, less those
	// that were counted out here. A waiter on IDs of several shards may come
	// in here and go out there, so only the sum over all shards has a meaning.
	waiting atomic.Int64
}

// hash returns what an ID's bucket goes by, which are the bits of its hash that do
// not select the shard.
func (sh *shard) hash(id *ID) uint64 { return maphash.Bytes(sh.seed, id[:]) / shardCount }

// link puts n at the head of its ID's list, and its waiter's deadline into the
// clock. At the head, since a walk that is under way then never meets those who came
// after it began.
func (sh *shard) link(n *node, hash uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.pushLocked(n, hash)
	n.linked = true
	if n == &n.w.first && n.w.deadline != 0 {
		sh.addDeadlineLocked(n)
	}
}

// insertLocked puts n before at, which is linked.
func (sh *shard) insertLocked(n, at *node) {
	n.linked = true
	if at.head {
		sh.pushLocked(n, sh.hash(&n.id))
		return
	}
	n.next, n.prev = at, at.prev
	n.prev.next, at.prev = n, n
}

// unlink takes n out of its list if it is in one.
func (sh *shard) unlink(n *node) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if n.linked {
		sh.unlinkLocked(n)
	}
}

// unlinkLocked takes a linked n out of its list and out of the clock.
func (sh *shard) unlinkLocked(n *node) {
	if n.slot > 0 {
		sh.clock.remove(n)
	}
	if n.head {
		sh.popLocked(n, sh.hash(&n.id))
	} else {
		n.prev.next = n.next
		if n.next != nil {
			n.next.prev = n.prev
		}
	}
	n.next, n.prev, n.head, n.linked = nil, nil, false, false
}

// appendIDs appends the IDs that somebody waits on. At the end it also stops the
// clock: those who are here are told of the end, and so are those who come.
func (sh *shard) appendIDs(ids []ID, end bool) []ID {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if end {
		sh.clock.stopLocked()
	}
	return sh.heads.appendIDs(ids)
}
