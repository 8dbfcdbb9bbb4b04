package watch

import "hash/maphash"

// The number of buckets is doubled when there are more lists. From shrinkFrom buckets on, it
// is quartered when there is less than one list for shrinkTo of them. The lists that came or
// went since the last time pay for the copying.
const (
	shrinkFrom = 128
	shrinkTo   = 8
)

// heads is a hash table of the first nodes of lists, by their IDs. A bucket is a chain of
// heads, linked by prev, which the head of a list needs for nothing else: so an ID takes
// a bucket's pointer and no more; the package's documentation compares it with Go's map.
// It is guarded by the shard's mu.
type heads struct {
	// Invariant: the length is a power of two, and a head is in the chain of its hash.
	buckets []*node

	lists int
	seed  maphash.Seed // the registry's
}

func newHeads(seed maphash.Seed) heads { return heads{buckets: make([]*node, 1), seed: seed} }

// hash selects the ID's bucket, by the bits that do not select the shard.
func (t *heads) hash(id *ID) uint64 { return maphash.Bytes(t.seed, id[:]) / shardCount }

// first returns the head of the list of id, nil if there is no list.
func (t *heads) first(id *ID, hash uint64) *node { return *t.ref(id, hash) }

// ref returns the pointer to the head of the list of id, or the place for one. It is
// good until the next change.
func (t *heads) ref(id *ID, hash uint64) **node {
	at := &t.buckets[hash&uint64(len(t.buckets)-1)]
	for *at != nil && (*at).id != *id {
		at = &(*at).prev
	}
	return at
}

// push makes n the head of the list of its ID.
func (t *heads) push(n *node, hash uint64) {
	if t.lists >= len(t.buckets) {
		t.rehash(2 * len(t.buckets))
	}
	at := t.ref(&n.id, hash)
	n.next, n.prev, n.head = *at, nil, true
	if second := n.next; second != nil {
		n.prev, second.prev, second.head = second.prev, n, false
	} else {
		t.lists++
	}
	*at = n
}

// pop removes the head of a list from it, and the list from the table if it is empty then.
func (t *heads) pop(n *node, hash uint64) {
	at := t.ref(&n.id, hash)
	if second := n.next; second != nil {
		*at, second.prev, second.head = second, n.prev, true
		return
	}
	*at = n.prev
	t.lists--
	if len(t.buckets) >= shrinkFrom && t.lists < len(t.buckets)/shrinkTo {
		t.rehash(len(t.buckets) / 4)
	}
}

// rehash spreads the heads over n buckets.
func (t *heads) rehash(n int) {
	old := t.buckets
	t.buckets = make([]*node, n)
	for _, head := range old {
		for head != nil {
			next := head.prev
			at := &t.buckets[t.hash(&head.id)&uint64(n-1)]
			head.prev, *at = *at, head
			head = next
		}
	}
}

// appendIDs appends the IDs of all lists.
func (t *heads) appendIDs(ids []ID) []ID {
	for _, n := range t.buckets {
		for ; n != nil; n = n.prev {
			ids = append(ids, n.id)
		}
	}
	return ids
}
