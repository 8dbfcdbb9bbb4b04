package watch

import (
	"time"

	"github.com/stretchr/testify/require"
)

// Turn is the number of nodes that a walk visits under one lock.
const Turn = turnLen

// Entries counts the IDs that the registry has a list for.
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

// Buckets counts the buckets of all tables, which their memory goes by.
func (r *Registry) Buckets() int {
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
		for k, at := range sh.clock.deadlines {
			require.EqualValues(t, k+1, at.slot, "a node knows its place in the clock")
			require.True(t, at.linked, "only a linked node has a deadline")
			require.LessOrEqual(t, sh.clock.deadlines[max(k-1, 0)/2].w.deadline, at.w.deadline, "the parent is earlier")
			require.True(t, at.w.deadline >= sh.clock.due || sh.clock.due <= sh.clock.now(), "the timer runs in time")
		}
		n += len(sh.clock.deadlines)
		sh.mu.Unlock()
	}
	return n
}

// Timers counts the timers that are set.
func (r *Registry) Timers() (n int) {
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		if c := &sh.clock; c.timer != nil && c.timer.Stop() {
			c.timer.Reset(max(0, time.Duration(c.due-c.now())))
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
