package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

// TestRegions has an agent of one region pass requests on to that of another.
func TestRegions(t *testing.T) {
	t.Parallel()
	there, here := storetest.Open(t), storetest.Open(t)
	index := place(t, there)
	var got []*http.Request
	answers := httpapi.New(there, &httpapi.Options{Region: "eu"})
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Clone(context.Background()))
		answers.ServeHTTP(w, r)
	}))
	t.Cleanup(far.Close)
	to, err := url.Parse(far.URL)
	require.NoError(t, err)
	nowhere, err := url.Parse("http://127.0.0.1:1")
	require.NoError(t, err)
	near := httptest.NewServer(httpapi.New(here, &httpapi.Options{
		Region: "us", Regions: map[string]*url.URL{"eu": to, "mars": nowhere}, Logger: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(near.Close)
	at := near.URL + "/v1/allocation/" + documentedID

	get := func(ctx context.Context, query string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, "GET", at+query, nil)
		require.NoError(t, err)
		r.Header.Set("X-Nomad-Token", "secret")
		response, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			return nil
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	require.Equal(t, http.StatusNotFound, get(t.Context(), "").StatusCode, "not in this region")
	require.Equal(t, http.StatusNotFound, get(t.Context(), "?region=us").StatusCode)

	response := get(t.Context(), "?region=eu&pretty=1&stale&other=%41")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, strconv.FormatUint(index, 10), response.Header.Get("X-Nomad-Index"))
	require.Len(t, got, 1)
	require.Equal(t, "region=eu&pretty=1&stale&other=%41", got[0].URL.RawQuery, "all parameters, as they were")
	require.Equal(t, "secret", got[0].Header.Get("X-Nomad-Token"))
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "\n    \"ID\"")

	blocked := make(chan *http.Response, 1)
	go func() { blocked <- get(t.Context(), "?region=eu&index="+strconv.FormatUint(index, 10)) }()
	waiters(t, there, 1)
	_, err = there.AppendTaskEvent(t.Context(), documentedID, "redis", "dead", schema.TaskEvent{Type: schema.TaskTerminated})
	require.NoError(t, err)
	require.Equal(t, strconv.FormatUint(index+1, 10), (<-blocked).Header.Get("X-Nomad-Index"))

	ctx, hangUp := context.WithCancel(t.Context())
	go func() { blocked <- get(ctx, "?region=eu&index=99") }()
	waiters(t, there, 1)
	hangUp()
	require.Nil(t, <-blocked)
	waiters(t, there, 0)

	loop := httptest.NewUnstartedServer(nil)
	back, err := url.Parse("http://" + loop.Listener.Addr().String())
	require.NoError(t, err)
	loop.Config.Handler = httpapi.New(here, &httpapi.Options{Regions: map[string]*url.URL{"eu": back}, Logger: slog.New(slog.DiscardHandler)})
	loop.Start()
	t.Cleanup(loop.Close)
	looped, err := http.Get(loop.URL + "/v1/allocation/" + documentedID + "?region=eu")
	require.NoError(t, err)
	require.NoError(t, looped.Body.Close())
	require.Equal(t, http.StatusLoopDetected, looped.StatusCode)

	require.Equal(t, http.StatusBadRequest, get(t.Context(), "?region=asia").StatusCode)
	require.Equal(t, http.StatusBadGateway, get(t.Context(), "?region=mars").StatusCode)
}

// waiters waits until n readers are blocked.
func waiters(t *testing.T, s *store.Store, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Stats().Waiters == n }, 20*time.Second, time.Millisecond)
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, (*httpapi.Options)(nil).Validate())
	for _, to := range []*url.URL{nil, {}, {Scheme: "ftp", Host: "x"}, {Scheme: "http"}} {
		opts := &httpapi.Options{Regions: map[string]*url.URL{"eu": to}}
		require.ErrorIs(t, opts.Validate(), store.ErrInvalid)
		require.ErrorContains(t, opts.Validate(), `"eu"`)
		opts.Logger = slog.New(slog.DiscardHandler)
		require.Equal(t, http.StatusBadGateway, ask(httpapi.New(nil, opts), "GET", "/v1/allocation/"+documentedID+"?region=eu").Code)
	}
	require.ErrorIs(t, (&httpapi.Options{MaxRequestBytes: -1}).Validate(), store.ErrInvalid)
}
