package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"

	"allocstore/schema"
	"allocstore/store"
)

// A scheduler looks, decides and places, unless another one has placed there meanwhile. An agent
// waits for the list of its node, starts the allocations that arrive, and reports.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "allocstore-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	s, err := store.Open(filepath.Join(dir, "state.db"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// A scheduler places an allocation on node1, which has room for two that have not ended.
	a := &schema.Allocation{ID: "203266e5-e0d6-9486-5e05-397ed2b184af", NodeID: "node1", Job: &schema.Job{ID: "example"}}
	node := store.Node("node1").NonTerminal().Placements() // changes when one arrives, ends, or is updated by a scheduler
	for {
		sn, err := s.Snapshot()
		if err != nil {
			log.Fatal(err)
		}
		if n, err := sn.Len(node); err != nil || n >= 2 {
			log.Fatalf("no room on node1: %d allocations, %v", n, err)
		}
		var b store.Batch
		b.ExpectList(node, sn.Index()) // a conflict if the list has changed since the snapshot
		b.Upsert(a)
		_, err = s.Apply(ctx, &b)
		sn.Close()
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrConflict) { // after a conflict, look again
			log.Fatal(err)
		}
	}

	// The agent of node1. It ends as soon as it runs something; a real one goes on.
	running := map[string]bool{}
	for seen := uint64(0); len(running) == 0; {
		list, err := s.WaitList(ctx, node, store.QueryOptions{MinQueryIndex: seen})
		if err != nil {
			log.Fatal(err)
		}
		listed := map[string]bool{}
		for _, a := range list.Changed {
			listed[a.ID] = true
		}
		for _, gone := range list.Gone { // stop these first: their room may be taken already
			delete(running, gone.ID)
		}
		maps.DeleteFunc(running, func(id string, _ bool) bool { return list.Full && !listed[id] }) // and all that a full list lacks
		for id := range listed {
			if !running[id] {
				running[id] = true // start it, then report
				var b store.Batch
				b.SetClientStatus(id, schema.ClientStatusRunning, "")
				b.AppendTaskEvent(id, "redis", schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted, Time: 1447806038427841000})
				applied, err := s.Apply(ctx, &b)
				fmt.Println("runs", id, "since index", applied.Index, err)
			}
		}
		seen = list.Index
	}
	// Output: runs 203266e5-e0d6-9486-5e05-397ed2b184af since index 3 <nil>
}

// exampleID is the ID of the allocation in the store of openExample.
const exampleID = "203266e5-e0d6-9486-5e05-397ed2b184af"

// openExample opens a new store with one allocation, which it places at index 2.
func openExample() (s *store.Store, remove func()) {
	dir, err := os.MkdirTemp("", "allocstore-*")
	check(err)
	s, err = store.Open(filepath.Join(dir, "state.db"), nil)
	check(err)
	_, err = s.Upsert(context.Background(), &schema.Allocation{ID: exampleID, NodeID: "node1", Job: &schema.Job{ID: "example"}})
	check(err)
	return s, func() { check(errors.Join(s.Close(), os.RemoveAll(dir))) }
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A batch moves an allocation to another node: either both writes take effect, or none.
func ExampleBatch() {
	s, remove := openExample()
	defer remove()
	const next = "5f4ad4b2-2a40-43a4-b9f4-5ba35a71cb81"

	var b store.Batch
	b.SetDesiredStatus(exampleID, schema.DesiredStatusStop, "node1 is being drained")
	b.Upsert(&schema.Allocation{ID: next, NodeID: "node2", Job: &schema.Job{ID: "example"}, PreviousAllocation: exampleID})
	applied, err := s.Apply(context.Background(), &b)
	check(err)
	old, err := s.Get(exampleID)
	check(err)
	fmt.Println(applied.Index, old.DesiredStatus, old.NextAllocation == next)

	b.Reset() // for other writes: applied again as it is, b would repeat its own
	// Output: 3 stop true
}

// A client reports everything that it owns. What the report lacks is removed.
func ExampleStore_UpdateFromClient() {
	s, remove := openExample()
	defer remove()
	states := map[string]*schema.TaskState{"redis": {State: schema.TaskStateRunning}}
	report := &schema.Allocation{ID: exampleID, ClientStatus: schema.ClientStatusRunning, TaskStates: states}
	applied, err := s.UpdateFromClient(context.Background(), report)
	check(err)
	fmt.Println(applied.Index, "unknown:", applied.Unknown)

	// The status alone: the task states stay.
	_, err = s.SetClientStatus(context.Background(), exampleID, schema.ClientStatusFailed, "out of memory")
	check(err)
	a, err := s.Get(exampleID)
	check(err)
	fmt.Println(a.ClientStatus, len(a.TaskStates), a.NodeID, a.AllocModifyIndex)
	// Output:
	// 3 unknown: []
	// failed 1 node1 2
}

// A snapshot does not see later writes.
func ExampleStore_Snapshot() {
	s, remove := openExample()
	defer remove()
	sn, err := s.Snapshot()
	check(err)
	defer sn.Close()
	_, err = s.Delete(context.Background(), exampleID)
	check(err)
	for a, err := range sn.ByNode("node1") {
		check(err)
		fmt.Println("at", sn.Index(), a.ID, "of job", a.JobID)
	}
	_, err = s.Get(exampleID)
	fmt.Println("at", s.LastIndex(), errors.Is(err, store.ErrNotFound))
	// Output:
	// at 2 203266e5-e0d6-9486-5e05-397ed2b184af of job example
	// at 3 true
}

// An agent that was away is told what has changed on its node: each allocation once.
func ExampleStore_WaitList() {
	s, remove := openExample()
	defer remove()
	ctx := context.Background()
	_, err := s.SetClientStatus(ctx, exampleID, schema.ClientStatusComplete, "")
	check(err)
	list, err := s.WaitList(ctx, store.Node("node1").NonTerminal(), store.QueryOptions{MinQueryIndex: 2})
	check(err)
	fmt.Println(list.Outcome, list.Index, len(list.Changed), list.Gone)
	// Output: Changed 3 0 [{203266e5-e0d6-9486-5e05-397ed2b184af 3 Terminated}]
}

// A batch that depends on what was read is refused if that has changed.
func ExampleBatch_ExpectList() {
	s, remove := openExample()
	defer remove()
	var b store.Batch
	b.ExpectList(store.Node("node1").NonTerminal().Placements(), 1) // read before the allocation was placed
	b.Upsert(&schema.Allocation{ID: "5f4ad4b2-2a40-43a4-b9f4-5ba35a71cb81", NodeID: "node1", Job: &schema.Job{ID: "example"}})
	_, err := s.Apply(context.Background(), &b)
	fmt.Println(errors.Is(err, store.ErrConflict), err)
	// Output: true batch condition 0: conflict: list of node "node1", non-terminal, placements: it changed at index 2, after 1
}

// A list as a stream: the members, a mark, then every change.
func ExampleStore_Follow() {
	s, remove := openExample()
	defer remove()
	for change, err := range s.Follow(context.Background(), store.Node("node1"), 0) {
		check(err)
		switch {
		case change.Complete:
			fmt.Println("complete at", change.Index)
			_, err := s.Delete(context.Background(), exampleID)
			check(err)
			continue
		case change.Alloc != nil:
			fmt.Println("has", change.Alloc.ID)
			continue
		}
		fmt.Println(change.Gone.Reason, "at", change.Index)
		break
	}
	// Output:
	// has 203266e5-e0d6-9486-5e05-397ed2b184af
	// complete at 2
	// Removed at 3
}

func ExampleStore_Changes() {
	s, remove := openExample()
	defer remove()
	_, err := s.Delete(context.Background(), exampleID)
	check(err)
	for change, err := range s.Changes(context.Background(), 0) { // 0: from the beginning
		check(err)
		fmt.Println(change.Index, change.ID, "deleted:", change.Alloc == nil)
		if change.Index == s.LastIndex() {
			break // a follower would go on, and note change.Index where change.Last
		}
	}
	// Output:
	// 2 203266e5-e0d6-9486-5e05-397ed2b184af deleted: false
	// 3 203266e5-e0d6-9486-5e05-397ed2b184af deleted: true
}
