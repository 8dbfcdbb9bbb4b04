package httpapi_test

import (
	"context"
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

func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
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
	if _, err := s.Upsert(context.Background(), &schema.Allocation{ID: id, Job: &schema.Job{ID: "example"}}); err != nil {
		log.Fatal(err)
	}

	server := httptest.NewServer(httpapi.New(s, nil))
	defer server.Close()
	for _, path := range []string{id + "?index=1&wait=60s", "203266e5"} {
		answer, err := http.Get(server.URL + "/v1/allocation/" + path)
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
