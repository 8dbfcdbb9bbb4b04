package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/program"
	"allocstore/schema"
)

// A subject is a system with allocations, and the updates that it has acknowledged.
type subject struct {
	system
	name  string
	nodes int
	fleet *fleet.Fleet

	// acked holds the stamp of each allocation's last acknowledged update, and doubtful that of an update whose
	// outcome is unknown; such an allocation is not updated again. At any time one writer writes an allocation.
	acked, doubtful []int64
}

func newSubject(name string, s system, f *fleet.Fleet) *subject {
	return &subject{system: s, name: name, nodes: members, fleet: f, acked: make([]int64, f.Len()), doubtful: make([]int64, f.Len())}
}

// fillers is the number of jobs that are placed side by side.
const fillers = 4

// fill places all allocations, job by job.
func fill(ctx context.Context, s system, f *fleet.Fleet) error {
	return program.Parallel(fillers, func(g int) error {
		for k := g; k < f.Jobs(); k += fillers {
			from, to := f.JobRange(k)
			batch := make([]*schema.Allocation, 0, to-from)
			for i := from; i < to; i++ {
				batch = append(batch, f.Alloc(i))
			}
			if err := insist(ctx, func() error { return s.place(ctx, batch) }); err != nil {
				return fmt.Errorf("place job %d: %w", k, err)
			}
		}
		return nil
	})
}

// stamps numbers all updates of the run, so that they differ.
var stamps atomic.Int64

// epoch is the time of the documented event. All stamps are later.
const epoch = 1447806038427841000

func nextStamp() int64 { return epoch + 1000*stamps.Add(1) }

// report returns a client's update of allocation i: its task was received, set up and started. The last event has the
// time stamp.
func (s *subject) report(i int, stamp int64) *schema.Allocation {
	ts := new(schema.TaskState)
	ts.Record(schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskReceived, Time: stamp - 2})
	ts.Record("", schema.TaskEvent{Type: schema.TaskSetup, Time: stamp - 1, Message: "Building Task Directory"})
	ts.Record(schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted, Time: stamp})
	return s.fleet.Update(i, ts)
}

// stampOf returns the time of the last event, which identifies the update.
func stampOf(a *schema.Allocation) (stamp int64) {
	for _, ts := range a.TaskStates {
		for ev := range ts.Events.All() {
			stamp = ev.Time
		}
	}
	return stamp
}

// pick returns a random allocation of a writer's own, without those whose state is unknown.
func (s *subject) pick(rng *rand.Rand, writer, writers int) int {
	share := (s.fleet.Len() - writer + writers - 1) / writers
	for {
		if i := writer + writers*rng.IntN(share); s.doubtful[i] == 0 {
			return i
		}
	}
}

// update updates a random allocation of a writer's own through a node.
func (s *subject) update(ctx context.Context, rng *rand.Rand, writer, writers, node int) error {
	i, stamp := s.pick(rng, writer, writers), nextStamp()
	err := s.system.update(ctx, node, s.report(i, stamp))
	switch {
	case err == nil:
		s.acked[i] = stamp
	case !errors.Is(err, errElsewhere):
		s.doubtful[i] = stamp
	}
	return err
}

// rngs returns random numbers for each of the workers.
func rngs(workers int) []*rand.Rand {
	all := make([]*rand.Rand, workers)
	for w := range all {
		all[w] = rand.New(rand.NewPCG(uint64(stamps.Load()), uint64(w)))
	}
	return all
}

// verify looks for every acknowledged update on each node, and compares the nodes with each other.
func (s *subject) verify(ctx context.Context) error {
	if err := caughtUp(s.system, s.nodes); err != nil {
		return err
	}
	digests := make([]uint64, s.nodes)
	for node := range s.nodes {
		if err := errors.Join(ctx.Err(), s.verifyNode(node)); err != nil {
			return fmt.Errorf("node %d: %w", node, err)
		}
		var err error
		if digests[node], err = s.digest(ctx, node); err != nil {
			return err
		}
		if digests[node] != digests[0] {
			return fmt.Errorf("node %d has digest %x, node 0 %x", node, digests[node], digests[0])
		}
	}
	return nil
}

// verifyNode looks for every acknowledged update on a node.
func (s *subject) verifyNode(node int) error {
	for i, want := range s.acked {
		if want == 0 {
			continue
		}
		a, err := s.local(node, s.fleet.ID(i))
		if err != nil {
			return fmt.Errorf("an acknowledged update is lost: %w", err)
		}
		if got := stampOf(a); got != want && (got != s.doubtful[i] || got == 0) {
			return fmt.Errorf("%s has the update of %v, the acknowledged one is that of %v", a.ID, time.Unix(0, got), time.Unix(0, want))
		}
	}
	return nil
}
