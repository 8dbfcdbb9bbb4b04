package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

var _ storetest.Reader = (*httpapi.Client)(nil)

// clientOf returns a client of the handler, and its address.
func clientOf(t *testing.T, h http.Handler) (*httpapi.Client, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections() // some tests leave waits behind
		server.Close()
	})
	client, err := httpapi.NewClient(server.URL, nil)
	require.NoError(t, err)
	return client, server.URL
}

// TestReader runs the conformance suite over HTTP.
func TestReader(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, opts := range []*httpapi.Options{nil, {MaxCacheBytes: -1}, {DisplayMessages: true}} {
		client, _ := clientOf(t, httpapi.New(s, opts))
		require.NoError(t, storetest.TestReader(t.Context(), s, client))
	}
}

// TestClientOutcomes compares the results of a client with those of the store.
func TestClientOutcomes(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	index := place(t, s)
	client, _ := clientOf(t, httpapi.New(s, nil))
	wait := func(id string, above uint64) store.WaitResult {
		opts := store.QueryOptions{MinQueryIndex: above, MaxQueryTime: 1}
		got, err := client.Wait(t.Context(), id, opts)
		require.NoError(t, err)
		want, err := s.Wait(t.Context(), id, opts)
		require.NoError(t, err)
		if got.Outcome == 0 {
			got.Outcome = want.Outcome
			require.Nil(t, want.Alloc, "the outcome is known")
		}
		require.Equal(t, want, got)
		return got
	}
	require.Equal(t, store.Changed, wait(documentedID, 0).Outcome)
	require.Equal(t, store.Changed, wait(documentedID, 1).Outcome)
	require.Equal(t, store.TimedOut, wait(documentedID, index).Outcome)
	require.Equal(t, store.NotFound, wait("f"+documentedID[1:], 0).Outcome)
	require.Equal(t, store.TimedOut, wait("f"+documentedID[1:], index).Outcome)
	deleted, err := s.Delete(t.Context(), documentedID)
	require.NoError(t, err)
	require.Equal(t, store.Deleted, wait(documentedID, index).Outcome)
	require.Equal(t, store.TimedOut, wait(documentedID, deleted.Index).Outcome)
}

// TestClientErrors has every kind of error.
func TestClientErrors(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:4646", "ftp://localhost", "http://", "http://%zz"} {
		_, err := httpapi.NewClient(address, nil)
		require.ErrorIs(t, err, store.ErrInvalid, address)
	}

	s := storetest.Open(t)
	client, address := clientOf(t, httpapi.New(s, &httpapi.Options{Logger: slog.New(slog.DiscardHandler)}))
	_, err := client.Get("../" + documentedID)
	require.ErrorIs(t, err, store.ErrInvalidID)
	_, err = client.Get(documentedID)
	require.ErrorIs(t, err, store.ErrNotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Wait(ctx, documentedID, store.QueryOptions{})
	require.ErrorIs(t, err, context.Canceled)

	require.NoError(t, s.Close())
	_, err = client.Get(documentedID)
	require.Equal(t, &httpapi.StatusError{Address: address, Code: http.StatusServiceUnavailable, Reason: store.ErrClosed.Error()}, err)
	require.EqualError(t, err, address+": 503 Service Unavailable: "+store.ErrClosed.Error())

	elsewhere, err := httpapi.NewClient(address+"/elsewhere", nil)
	require.NoError(t, err)
	_, err = elsewhere.Get(documentedID)
	require.ErrorContains(t, err, "404 Not Found: no such path")
}

// TestClientOfAnotherServer reads from servers that do not answer as the endpoint does.
func TestClientOfAnotherServer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		`X-Nomad-Index ""`: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"malformed JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Nomad-Index", "9")
			_, _ = io.WriteString(w, "<html>")
		},
		"unexpected EOF": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Nomad-Index", "9")
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "{")
		},
	} {
		client, address := clientOf(t, answer)
		_, err := client.Get(documentedID)
		require.ErrorContains(t, err, name)
		require.Regexp(t, "^"+regexp.QuoteMeta(address)+": ", err.Error(), "the error begins with the address")
	}
}

// TestClientKeepsNothing has two readers of one answer change their allocations.
func TestClientKeepsNothing(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	client, _ := clientOf(t, httpapi.New(s, nil))
	first, err := client.Get(documentedID)
	require.NoError(t, err)
	*first = schema.Allocation{}
	second, err := client.Get(documentedID)
	require.NoError(t, err)
	want, err := s.Get(documentedID)
	require.NoError(t, err)
	require.Equal(t, want, second)
}
