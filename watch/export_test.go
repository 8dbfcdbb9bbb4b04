package watch

import (
	"time"

	"github.com/stretchr/testify/require"
)

// Turn is how many nodes a walk looks at under one lock.
const Turn = turnLen

// Entries counts the IDs that the registry holds a list for.
func (r *Registry) Entries() int {
	n := 0
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		n += sh.heads.lists
		sh.mu.Unlock()
	}
	return n
}

// Peak returns the sum of the sizes of the tables, which is what their memory goes by.
func (r *Registry) Peak() int {
	n := 0
	for i := range r.shards {
		n += len(r.shards[i].heads.buckets)
	}
	return n
}

// Deadlines counts the entries of all clocks, and checks them.
func (r *Registry) Deadlines(t require.TestingT) (n int) {
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		for k, at := range sh.clock.heap {
			require.EqualValues(t, k+1, at.slot, "a node knows its place in the clock")
			require.True(t, at.linked, "only who is linked has a deadline")
			require.LessOrEqual(t, sh.clock.heap[max(k-1, 0)/2].w.deadline, at.w.deadline, "the parent is earlier")
			require.True(t, at.w.deadline >= sh.clock.rings || sh.clock.rings <= sh.clock.now(), "the timer runs in time")
		}
		n += len(sh.clock.heap)
		sh.mu.Unlock()
	}
	return n
}

// Timers counts the timers that will run.
func (r *Registry) Timers() (n int) {
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		if c := &sh.clock; c.timer != nil && c.timer.Stop() {
			c.timer.Reset(max(0, time.Duration(c.rings-c.now())))
			n++
		}
		sh.mu.Unlock()
	}
	return n
}

// ShardSpread returns the smallest and the largest number of IDs in a shard.
func (r *Registry) ShardSpread() (least, most int) {
	least = r.shards[0].heads.lists
	for i := range r.shards {
		n := r.shards[i].heads.lists
		least, most = min(least, n), max(most, n)
	}
	return least, most
}
