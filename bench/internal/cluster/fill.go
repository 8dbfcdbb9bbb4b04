package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/program"
	"allocstore/store"
)

// A Filling is the measurement of Fill.
type Filling struct {
	Took      time.Duration
	Conflicts int
}

// Fill places all allocations in an empty store without agents, one a batch, by all schedulers
// at once. It does so under conditions, or, if locked, without them and with one lock
// around the look at the nodes and the write. It fails if a node is over its capacity at
// the end.
func (c *Cluster) Fill(ctx context.Context, s *store.Store, locked bool) (Filling, error) {
	var lock sync.Mutex
	var next, conflicts atomic.Int64
	began := time.Now()
	err := program.Parallel(c.Schedulers, func(g int) error {
		sc := newScheduler(c, s, g)
		for i := int(next.Add(1)) - 1; i < c.Allocs; i = int(next.Add(1)) - 1 {
			if locked {
				lock.Lock()
			}
			n, err := sc.settleOn(ctx, i, !locked)
			if locked {
				lock.Unlock()
			}
			if err != nil {
				return err
			}
			conflicts.Add(int64(n))
		}
		return nil
	})
	f := Filling{Took: time.Since(began), Conflicts: int(conflicts.Load())}
	return f, errors.Join(err, c.checkFilled(s))
}

// settleOn places one allocation, and returns the number of conflicts until it is placed.
func (sc *scheduler) settleOn(ctx context.Context, i int, conditions bool) (conflicts int, err error) {
	for {
		if _, err = sc.place(ctx, []int{i}, conditions); !errors.Is(err, store.ErrConflict) {
			return conflicts, err
		}
		conflicts++
	}
}

// checkFilled checks that all is placed and that no node is over its capacity.
func (c *Cluster) checkFilled(s *store.Store) error {
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	total := 0
	for node := range c.Nodes {
		used, one, err := c.used(sn, node)
		if err != nil {
			return err
		}
		if used > c.capacity {
			return fmt.Errorf("node %s uses %d MHz of %d", c.nodeID(node), used, c.capacity)
		}
		total += used / one
	}
	if total != c.Allocs {
		return fmt.Errorf("%d allocations are placed, want %d", total, c.Allocs)
	}
	return nil
}
