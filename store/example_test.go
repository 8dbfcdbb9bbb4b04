package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"allocstore/schema"
	"allocstore/store"
)

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

	const id = "203266e5-e0d6-9486-5e05-397ed2b184af"
	placed, err := s.Upsert(ctx, &schema.Allocation{ID: id, NodeID: "node1", Job: &schema.Job{ID: "example"}})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		a, err := s.AppendTaskEvent(ctx, id, "redis", schema.TaskStateRunning,
			schema.TaskEvent{Type: schema.TaskStarted, Time: 1447806038427841000})
		if err != nil || len(a.Unknown) > 0 {
			log.Fatalf("append an event: %v, unknown allocations: %q", err, a.Unknown)
		}
	}()

	changed, err := s.Wait(ctx, id, store.QueryOptions{MinQueryIndex: placed.Index})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(changed.Outcome, "at", changed.Index, changed.Alloc.TaskStates["redis"].State)
	// Output: Changed at 3 running
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
