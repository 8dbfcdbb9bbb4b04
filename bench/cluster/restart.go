package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"allocstore/bench/internal/fleet"
)

// memoryBound is the ResidentBytes of our stores in clusters that are large. Nothing is resident after a start.
const memoryBound = 256 << 20

// restart measures how soon a follower answers reads after it was stopped.
func (b *bench) restart(n int, a *answer) (err error) {
	f, err := fleet.New(b.cfg.Sample, n, b.cfg.Seed)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "restart")
	o := settings{dir: dir, nodes: members, resident: memoryBound, trailing: true}
	if b.name == memDB && n > aloneSize {
		o.nodes = 1
		a.Notes = append(a.Notes, memDB+" has one node, since the allocations of three do not fit into the memory; "+
			"a linearizable read waits for its election")
	}
	s, err := openSystem(b.name, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(), os.RemoveAll(dir)) }()
	if err := b.fillWhole(s, f, o.nodes); err != nil {
		return err
	}
	for range b.cfg.rounds {
		stale, linearizable, err := b.restartOnce(s, f, o.nodes)
		if err != nil {
			return err
		}
		a.Samples[staleRead] = append(a.Samples[staleRead], sample{Took: stale})
		if b.name != memDB || o.nodes == 1 { // its followers have no such read
			a.Samples[linearizableRead] = append(a.Samples[linearizableRead], sample{Took: linearizable})
		}
	}
	return nil
}

// Parts of the work.
const (
	staleRead        = "to a stale read"
	linearizableRead = "to a linearizable read"
)

// fillWhole places the allocations, reports one of them, and makes the content of each node the beginning of its log.
func (b *bench) fillWhole(s system, f *fleet.Fleet, nodes int) error {
	if err := fill(b.ctx, s, f); err != nil {
		return err
	}
	sub := &subject{system: s, fleet: f}
	if err := s.update(b.ctx, s.leader(), sub.report(0, nextStamp())); err != nil {
		return err
	}
	if err := caughtUp(s, nodes); err != nil {
		return err
	}
	for node := range nodes {
		if err := s.cut(node); err != nil {
			return err
		}
	}
	return nil
}

// restartOnce stops a follower, or the only node, and starts it. It returns the times until it has answered a stale read and a
// linearizable one.
func (b *bench) restartOnce(s system, f *fleet.Fleet, nodes int) (stale, linearizable time.Duration, err error) {
	node := 0
	if nodes > 1 {
		node = others(nodes, s.leader())[0]
	}
	if err := s.stop(node); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := s.start(node); err != nil {
		return 0, 0, err
	}
	if err := b.awaitRead(s, f, node, false); err != nil {
		return 0, 0, err
	}
	stale = time.Since(began)
	if err := b.awaitRead(s, f, node, true); err != nil {
		return 0, 0, err
	}
	linearizable = time.Since(began)
	if nodes == 1 {
		return stale, linearizable, awaitLeader(s)
	}
	return stale, linearizable, caughtUp(s, nodes)
}

// awaitRead reads until a node answers. A follower of go-memdb has no linearizable read.
func (b *bench) awaitRead(s system, f *fleet.Fleet, node int, linearizable bool) error {
	var last error
	err := await("a read", func() bool {
		if _, follows := s.(*memCluster); follows && linearizable && s.leader() >= 0 && s.leader() != node {
			last = nil
			return true
		}
		_, last = s.read(b.ctx, node, f.ID(0), linearizable)
		return last == nil
	})
	return errors.Join(err, last)
}
