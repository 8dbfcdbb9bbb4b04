package store_test

import (
	"context"
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
	go s.AppendTaskEvent(ctx, id, "redis", schema.TaskStateRunning,
		schema.TaskEvent{Type: schema.TaskStarted, Time: 1447806038427841000})

	changed, err := s.Wait(ctx, id, store.QueryOptions{MinQueryIndex: placed.Index})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(changed.Outcome, "at", changed.Index, changed.Alloc.TaskStates["redis"].State)
	// Output: Changed at 3 running
}

func ExampleStore_Changes() {
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
	_, err = s.Upsert(ctx, &schema.Allocation{ID: id, NodeID: "node1", Job: &schema.Job{ID: "example"}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = s.Delete(ctx, id); err != nil {
		log.Fatal(err)
	}
	for change, err := range s.Changes(ctx, 0) { // 0: from the beginning
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Index, change.ID, "deleted:", change.Alloc == nil)
		if change.Index == s.LastIndex() {
			break // a follower would go on, and note change.Index where change.Last
		}
	}
	// Output:
	// 2 203266e5-e0d6-9486-5e05-397ed2b184af deleted: false
	// 3 203266e5-e0d6-9486-5e05-397ed2b184af deleted: true
}
