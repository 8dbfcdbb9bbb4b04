package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
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

// A program serves the endpoint beside handlers of its own.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(filepath.Join(dir, "state.db"), nil)
	if err != nil {
		log.Fatal(err)
	}
	const id = "203266e5-e0d6-9486-5e05-397ed2b184af"
	if _, err := s.Upsert(ctx, &schema.Allocation{ID: id, Job: &schema.Job{ID: "example"}}); err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/v1/allocation/", httpapi.New(s, &httpapi.Options{Region: "global"}))
	mux.HandleFunc("GET /v1/agent/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "index", s.LastIndex())
	})
	server := httpapi.NewServer("127.0.0.1:0", mux) // :4646 is the usual port
	running, end := context.WithCancel(ctx)
	server.BaseContext = func(net.Listener) context.Context { return running }
	listener, err := net.Listen("tcp", server.Addr)
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)

	for _, path := range []string{"allocation/" + id + "?index=1&wait=60s", "allocation/203266e5", "agent/health"} {
		answer, err := http.Get("http://" + listener.Addr().String() + "/v1/" + path)
		if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			log.Fatal(err)
		}
		answer.Body.Close()
		fmt.Printf("%s, index %q: %.46s\n", answer.Status, answer.Header.Get("X-Nomad-Index"), bytes.TrimSpace(text))
	}

	end() // ends blocked requests; without it, Shutdown waits for them
	if err := errors.Join(server.Shutdown(ctx), s.Close()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 200 OK, index "2": {"ID":"203266e5-e0d6-9486-5e05-397ed2b184af","
	// 400 Bad Request, index "": invalid allocation ID: "203266e5"
	// 200 OK, index "": index 2
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
