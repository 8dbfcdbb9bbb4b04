package raftstore

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"allocstore/store"
)

// auditInterval is the time between the audits of a cluster that is written to.
const auditInterval = 10 * time.Second

// keptDigests is the number of digests that a node remembers, of its latest audits.
const keptDigests = 4096

// digestVersion is the version of how a digest is made. A release that encodes allocations in another way raises it: digests
// of two versions are not compared.
const digestVersion = 1

// A digest is that of a store's content when it has applied an entry.
type digest struct {
	at   uint64 // the entry's index
	last uint64 // the store's LastIndex then
	sum  uint64 // of store.Digest
}

// An audit compares the contents of the nodes. Every node takes the digest of its store right after the entry of an audit: the
// entries before it are in one commit, and those after it in the next. The leader, which does the same, puts its digest
// into the entry of the next audit. There each node compares it with its own. A node that has no digest of the first
// entry, since it was away or has started in between, compares nothing.
type audit struct {
	mu     sync.Mutex
	taken  []digest // in order; the latest ones
	latest digest   // the leader's, in the latest audit
}

// due returns the digest for the next audit, and whether one is needed: the content has changed since the latest audit, or
// its digest is not compared yet.
func (a *audit) due(lastIndex uint64) (digest, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var d digest
	if n := len(a.taken); n > 0 {
		d = a.taken[n-1]
	}
	return d, a.latest.last != lastIndex
}

// pass compares the digest d of an audit with this node's, and takes the next one, that of the store after the entry at an
// index. The store must not change meanwhile. The error says that the contents differ.
func (a *audit) pass(index uint64, d *digest, s *store.Store) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, own := range a.taken {
		if own.at == d.at && own != *d {
			return fmt.Errorf("the content differs from the leader's: with the log up to %d, this node's digest is %x of index %d, the leader's is %x of index %d",
				d.at, own.sum, own.last, d.sum, d.last)
		}
	}
	if len(a.taken) == keptDigests {
		a.taken = slices.Delete(a.taken, 0, 1)
	}
	own := digest{at: index}
	own.last, own.sum = s.Digest()
	a.taken, a.latest = append(a.taken, own), *d
	return nil
}

// audit proposes an audit if one is due.
func (n *Node) audit() {
	if d, due := n.fsm.audit.due(n.store.LastIndex()); due {
		_, _ = n.propose(n.up, &entry{audit: &d}) // without success the next one compares it
	}
}
