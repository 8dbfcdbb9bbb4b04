package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
)

// TestServeEnds has a request that is blocked in another region, and one that reads a long list slowly,
// when the process gets a signal. The first request ends, and the second gets its list.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	s, err := store.Open(filepath.Join(t.TempDir(), "state.db"), nil)
	require.NoError(t, err)
	const allocations = 5000
	b := new(store.Batch)
	for n := range allocations {
		b.Upsert(&schema.Allocation{ID: fmt.Sprintf("%08d-0000-0000-0000-000000000000", n), Name: strings.Repeat("x", 2000), Job: &schema.Job{ID: "a"}})
	}
	_, err = s.Apply(t.Context(), b)
	require.NoError(t, err)
	asked := make(chan bool)
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer far.Close()

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	o := &serveOptions{listen: address, regions: map[string]string{"eu": far.URL}, grace: 20 * time.Second}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.serve(ctx, s, slog.New(slog.DiscardHandler)) }()

	var list *http.Response
	require.Eventually(t, func() bool {
		list, err = http.Get("http://" + address + listPath)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	blocked := make(chan int, 1)
	go func() {
		client := http.Client{Timeout: 10 * time.Second}
		answer, err := client.Get("http://" + address + "/v1/allocation/00000000-0000-0000-0000-000000000000?region=eu&index=9")
		if err != nil {
			blocked <- 0
			return
		}
		blocked <- answer.StatusCode
		_ = answer.Body.Close()
	}()
	<-asked
	end()
	require.Equal(t, http.StatusServiceUnavailable, <-blocked)
	text, err := io.ReadAll(list.Body)
	require.NoError(t, err)
	require.NoError(t, list.Body.Close())
	require.Equal(t, allocations, strings.Count(string(text), "\n"), "the whole list")
	require.Empty(t, list.Trailer.Get(listError))
	require.NoError(t, <-ended)
	for err := range s.Check(t.Context()) {
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
}

// TestHealth cuts the file of a store that is served. The next answer of /health is a failure, also
// if no other request came in between.
func TestHealth(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(path, nil)
	require.NoError(t, err)
	_, err = s.Upsert(t.Context(), &schema.Allocation{ID: "00000000-0000-0000-0000-000000000000", Job: &schema.Job{ID: "a"}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s, err = store.Open(path, &store.Options{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	mux, _, _ := newMux(s, &httpapi.Options{Logger: slog.New(slog.DiscardHandler)})
	health := func() int {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
		return w.Code
	}
	require.Equal(t, http.StatusOK, health())
	require.NoError(t, os.Truncate(path, 0))
	require.Eventually(t, func() bool { return health() == http.StatusServiceUnavailable }, 10*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, s.Close(), store.ErrCorrupt)
}
