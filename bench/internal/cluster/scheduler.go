package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

const (
	perEvaluation = 5  // allocations that are placed in a batch
	maxServices   = 32 // that a scheduler leaves running before it stops them
	candidates    = 2  // nodes to look at; the fullest with room is taken
)

// errNoRoom says that no node has room for another allocation.
var errNoRoom = errors.New("no node has room")

// A scheduler places allocations.
type scheduler struct {
	c        *Cluster
	s        *store.Store
	r        *rand.Rand
	services []int // placed, to be stopped

	latencies          report.Histogram
	batches, conflicts int
}

func newScheduler(c *Cluster, s *store.Store, g int) *scheduler {
	return &scheduler{c: c, s: s, r: rand.New(rand.NewPCG(c.Seed, uint64(g)+100))}
}

// run places evaluations until all are taken, and then stops its last services.
func (sc *scheduler) run(ctx context.Context, next *atomic.Int64) error {
	for {
		to := int(next.Add(perEvaluation))
		from := to - perEvaluation
		if from >= sc.c.Allocs {
			return sc.stop(ctx)
		}
		var which []int
		for i := from; i < min(to, sc.c.Allocs); i++ {
			which = append(which, i)
		}
		if err := sc.evaluate(ctx, which); err != nil {
			return err
		}
		if len(sc.services) >= maxServices {
			if err := sc.stop(ctx); err != nil {
				return err
			}
		}
	}
}

// evaluate places the allocations, and starts over after a conflict. If there is no room it
// stops its services and tries again.
func (sc *scheduler) evaluate(ctx context.Context, which []int) error {
	for began := time.Now(); ; {
		index, err := sc.place(ctx, which, true)
		switch {
		case err == nil:
			sc.latencies.Record(time.Since(began))
			sc.batches++
			for _, i := range which {
				sc.c.note(i, isPlaced, index)
				if fateOf(i) == isStopped {
					sc.services = append(sc.services, i)
				}
			}
			return nil
		case errors.Is(err, errNoRoom) && time.Since(began) > program.Patience:
			return fmt.Errorf("%w for %v", err, program.Patience)
		case errors.Is(err, errNoRoom):
			if err := errors.Join(sc.stop(ctx), sc.await(ctx)); err != nil {
				return err
			}
		case errors.Is(err, store.ErrConflict):
			sc.conflicts++
		default:
			return err
		}
	}
}

// place places the allocations by one look at the nodes. Under conditions it fails if
// a list that it relied on has moved.
func (sc *scheduler) place(ctx context.Context, which []int, conditions bool) (uint64, error) {
	sn, err := sc.s.Snapshot()
	if err != nil {
		return 0, err
	}
	defer sn.Close()
	var b store.Batch
	planned := make(map[int]int) // CPU, by node
	began := time.Now()
	for _, i := range which {
		node, err := sc.choose(sn, planned)
		if err != nil {
			return 0, err
		}
		a := sc.c.alloc(i, node)
		if _, ok := planned[node]; !ok && conditions {
			b.ExpectList(store.Node(a.NodeID).NonTerminal().Placements(), sn.Index())
		}
		planned[node] += a.Resources.CPU
		sc.c.facts[i].node, sc.c.facts[i].began = node, began
		b.Upsert(a)
	}
	applied, err := sc.s.Apply(ctx, &b)
	return applied.Index, err
}

// choose returns the fullest of some nodes that have room, or else any node that has.
func (sc *scheduler) choose(sn *store.Snapshot, planned map[int]int) (best int, err error) {
	best, most := -1, -1
	first := sc.r.IntN(sc.c.Nodes)
	for k := 0; k < sc.c.Nodes && (k < candidates || best < 0); k++ {
		node := (first + k) % sc.c.Nodes
		used, one, err := sc.c.used(sn, node)
		if err != nil {
			return 0, err
		}
		if used += planned[node]; used+one <= sc.c.capacity && used > most {
			best, most = node, used
		}
	}
	if best < 0 {
		return 0, errNoRoom
	}
	return best, nil
}

// used returns the CPU that a node's allocations take, and that of one allocation.
func (c *Cluster) used(sn *store.Snapshot, node int) (used, one int, err error) {
	for a, err := range sn.List(store.Node(c.nodeID(node)).NonTerminal()) {
		if err != nil {
			return 0, 0, err
		}
		used += a.Resources.CPU
	}
	return used, c.capacity / Slots, nil
}

// await waits a moment for a change on a node.
func (sc *scheduler) await(ctx context.Context) error {
	node := store.Node(sc.c.nodeID(sc.r.IntN(sc.c.Nodes))).NonTerminal().Placements()
	_, err := sc.s.WaitList(ctx, node, store.QueryOptions{MinQueryIndex: sc.s.LastIndex(), MaxQueryTime: 5 * time.Millisecond})
	return err
}

// stop stops the scheduler's services.
func (sc *scheduler) stop(ctx context.Context) error {
	if len(sc.services) == 0 {
		return nil
	}
	var b store.Batch
	for _, i := range sc.services {
		b.SetDesiredStatus(sc.c.fleet.ID(i), "stop", stopReason)
	}
	applied, err := sc.s.Apply(ctx, &b)
	if err != nil {
		return err
	}
	if applied.Unchanged != 0 || len(applied.Unknown) != 0 {
		return fmt.Errorf("stop of %d allocations: applied as %+v", len(sc.services), applied)
	}
	for _, i := range sc.services {
		sc.c.note(i, isStopping, applied.Index)
	}
	sc.services = sc.services[:0]
	return nil
}
