package watch

// Buckets are doubled when there are more lists than fillTo for each, and quartered,
// from shrinkFrom buckets on, when there is less than one list for shrinkTo of them.
// The copying is paid for by the lists that came or went before it.
const (
	fillTo     = 1
	shrinkFrom = 128
	shrinkTo   = 8
)

// heads is a hash table of the first nodes of lists, by their IDs. A bucket is a chain
// of heads, linked by their prev, for which the head of a list has no other use: so an
// ID takes a bucket's pointer and nothing else, where Go's map takes 56 bytes. It is
// guarded by the shard's mu.
type heads struct {
	// Invariant: a power of two, or none. A head is in the chain of its hash.
	buckets []*node

	lists int
}

// first returns the head of the list of id, nil if there is none.
func (t *heads) first(id *ID, hash uint64) *node {
	if len(t.buckets) == 0 {
		return nil
	}
	return *t.ref(id, hash)
}

// ref returns where the head of the list of id is pointed to from, or would be. There
// must be buckets. It is good until the next change.
func (t *heads) ref(id *ID, hash uint64) **node {
	at := &t.buckets[hash&uint64(len(t.buckets)-1)]
	for *at != nil && (*at).id != *id {
		at = &(*at).prev
	}
	return at
}

// pushLocked makes n the head of the list of its ID.
func (sh *shard) pushLocked(n *node, hash uint64) {
	t := &sh.heads
	if t.lists >= fillTo*len(t.buckets) {
		sh.rehashLocked(max(1, 2*len(t.buckets)))
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

// popLocked takes the head of a list out of it, and the list out of the table if
// nothing follows.
func (sh *shard) popLocked(n *node, hash uint64) {
	t := &sh.heads
	at := t.ref(&n.id, hash)
	if second := n.next; second != nil {
		*at, second.prev, second.head = second, n.prev, true
		return
	}
	*at = n.prev
	t.lists--
	if len(t.buckets) >= shrinkFrom && t.lists < len(t.buckets)/shrinkTo {
		sh.rehashLocked(len(t.buckets) / 4)
	}
}

// rehashLocked spreads the heads over so many buckets.
func (sh *shard) rehashLocked(buckets int) {
	old := sh.heads.buckets
	t := &heads{buckets: make([]*node, buckets), lists: sh.heads.lists}
	for _, n := range old {
		for n != nil {
			next := n.prev
			at := &t.buckets[sh.hash(&n.id)&uint64(buckets-1)]
			n.prev, *at = *at, n
			n = next
		}
	}
	sh.heads = *t
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
