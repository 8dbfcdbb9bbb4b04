package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// getMany gets random allocations, a thousand in a call, from two goroutines.
func (p *player) getMany(name string, n int) error {
	const goroutines, perCall = 2, 1000
	end := p.startPhase(name, n)
	_, err := p.each(goroutines, func(g int, _ *report.Histogram) error {
		r := rand.New(rand.NewPCG(p.Seed, uint64(g)+1))
		ids := make([]string, perCall)
		for range n / goroutines / perCall {
			for k := range ids {
				ids[k] = p.ids[r.IntN(len(p.ids))]
			}
			k := 0
			for a, err := range p.s.GetMany(ids) {
				if err != nil {
					return err
				}
				if a.ID != ids[k] {
					return fmt.Errorf("get of %s among others returned %s", ids[k], a.ID)
				}
				k++
			}
			if k != perCall {
				return fmt.Errorf("get of %d allocations returned %d", perCall, k)
			}
			p.done.Add(perCall)
		}
		return nil
	})
	end(n, nil)
	return err
}

// listNodes lists nodes on a snapshot, one after the other, until it has seen n
// allocations.
func (p *player) listNodes(name string, n int) error {
	end := p.startPhase(name, n)
	defer func() { end(n, nil) }()
	sn, err := p.s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	used := min(p.Len(), fleet.Nodes) // nodes with allocations
	for node, seen := 0, 0; seen < n; node = (node + 1) % used {
		id, before := p.NodeID(node), seen
		for a, err := range sn.List(store.Node(id)) {
			if err != nil {
				return err
			}
			if a.NodeID != id {
				return fmt.Errorf("the list of node %s has %s of %s", id, a.ID, a.NodeID)
			}
			seen++
		}
		if want := (p.Len() - node + fleet.Nodes - 1) / fleet.Nodes; seen-before != want {
			return fmt.Errorf("the list of node %s has %d allocations, want %d", id, seen-before, want)
		}
		p.done.Store(int64(seen))
	}
	return nil
}

// agents lets schedulers place on the nodes whose agents wait.
func (p *player) agents(ctx context.Context) error {
	stop := p.show("agents", perNode*p.nodes)
	defer stop()
	r, err := p.cluster.Run(ctx, p.s)
	if err != nil {
		return err
	}
	r.Placing.End(p.Report, io.Discard, p.cluster.Placed(), r.Placed)
	r.Waking.End(p.Report, io.Discard, r.Woken.Len(), r.Woken)
	p.Record("attempts for a batch of the schedulers", float64(r.Batches+r.Conflicts)/float64(r.Batches), "")
	return nil
}
