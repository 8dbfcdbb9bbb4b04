package watch

// Turn is how many nodes a walk looks at under one lock.
const Turn = turnLen

// Entries counts the IDs that the registry holds a list for.
func (r *Registry) Entries() int {
	n := 0
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		n += len(sh.heads)
		sh.mu.Unlock()
	}
	return n
}

// Peak returns the sum of the largest sizes of the current maps, which is what
// their memory goes by.
func (r *Registry) Peak() int {
	n := 0
	for i := range r.shards {
		n += r.shards[i].peak
	}
	return n
}

// ShardSpread returns the smallest and the largest number of IDs in a shard.
func (r *Registry) ShardSpread() (least, most int) {
	least = len(r.shards[0].heads)
	for i := range r.shards {
		n := len(r.shards[i].heads)
		least, most = min(least, n), max(most, n)
	}
	return least, most
}
