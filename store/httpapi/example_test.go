package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
)

// serveExample serves a store with one allocation, until stop is called.
func serveExample(id string) (s *store.Store, address string, stop func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	if s, err = store.Open(filepath.Join(dir, "state.db"), nil); err != nil {
		log.Fatal(err)
	}
	if _, err := s.Upsert(context.Background(), &schema.Allocation{ID: id, Job: &schema.Job{ID: "example"}}); err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(httpapi.New(s, nil))
	return s, server.URL, func() {
		server.Close()
		if err := errors.Join(s.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

func ExampleNew() {
	const id = "203266e5-e0d6-9486-5e05-397ed2b184af"
	_, address, stop := serveExample(id)
	defer stop()
	for _, path := range []string{id + "?index=1&wait=60s", "203266e5"} {
		answer, err := http.Get(address + "/v1/allocation/" + path)
		if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			log.Fatal(err)
		}
		answer.Body.Close()
		fmt.Printf("%s, index %q: %.46s\n", answer.Status, answer.Header.Get("X-Nomad-Index"), text)
	}
	// Output:
	// 200 OK, index "2": {"ID":"203266e5-e0d6-9486-5e05-397ed2b184af","
	// 400 Bad Request, index "": invalid allocation ID: "203266e5"
}

func ExampleClient_Wait() {
	const id = "203266e5-e0d6-9486-5e05-397ed2b184af"
	s, address, stop := serveExample(id)
	defer stop()
	client, err := httpapi.NewClient(address, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	placed, err := client.Wait(ctx, id, store.QueryOptions{}) // does not block
	if err != nil {
		log.Fatal(err)
	}
	go s.AppendTaskEvent(ctx, id, "redis", schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted})
	changed, err := client.Wait(ctx, id, store.QueryOptions{MinQueryIndex: placed.Index})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(changed.Outcome, "at", changed.Index, changed.Alloc.TaskStates["redis"].State)
	// Output: Changed at 3 running
}
