package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

// A far is a fake agent of another region.
type far func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f far) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// toFar returns the options of an agent that passes requests for the region eu on to f.
func toFar(f far) *httpapi.Options {
	return &httpapi.Options{Regions: map[string]*url.URL{"eu": {Scheme: "http", Host: "eu"}}, Transport: f}
}

// TestPassedOnLate has the other region block for longer than the write deadline, and then send the
// header of its answer before the body.
func TestPassedOnLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := func(r *http.Request) (*http.Response, error) {
			time.Sleep(9 * time.Minute)
			response := &http.Response{StatusCode: 200, Header: http.Header{"X-Nomad-Index": {"9"}}, Body: http.NoBody, Request: r}
			if r.Method == http.MethodGet {
				body, to := io.Pipe()
				go func() {
					time.Sleep(time.Second)
					_, _ = io.WriteString(to, "{}")
					_ = to.Close()
				}()
				response.Body, response.ContentLength = body, -1
			}
			return response, nil
		}
		n := serve(t, httpapi.NewServer("", httpapi.New(nil, toFar(late))))
		for method, want := range map[string]string{"GET": "{}", "HEAD": ""} {
			c := n.dial()
			_, err := io.WriteString(c, method+" /v1/allocation/"+documentedID+"?region=eu&index=9 HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
			require.NoError(t, err, method)
			require.Equal(t, "9", response.Header.Get("X-Nomad-Index"))
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err, method)
			require.Equal(t, want, string(body))
			require.NoError(t, c.Close())
		}
	})
}

// TestPassedOnWithoutABody passes requests with an empty body on, in chunks or not: no body arrives.
func TestPassedOnWithoutABody(t *testing.T) {
	t.Parallel()
	h := httpapi.New(nil, toFar(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			if text, err := io.ReadAll(r.Body); err != nil || len(text) > 0 {
				t.Errorf("body %q, %v", text, err)
			}
		}
		return &http.Response{StatusCode: http.StatusNotFound, Header: make(http.Header), Body: http.NoBody, Request: r}, nil
	}))
	for _, length := range []int64{0, -1} {
		r := httptest.NewRequest("GET", "/v1/allocation/"+documentedID+"?region=eu", strings.NewReader(""))
		r.ContentLength = length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusNotFound, w.Code, "%d: %s", length, w.Body)
	}
}

// TestEnded has the server end requests, as at a shutdown: the clients get an answer.
func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Open(t)
		var log bytes.Buffer
		opts := toFar(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		server := httpapi.NewServer("", httpapi.New(s, opts))
		ctx, end := context.WithCancel(t.Context())
		server.BaseContext = func(net.Listener) context.Context { return ctx }
		n := serve(t, server)
		conns := []net.Conn{n.dial(), n.dial()}
		for i, region := range []string{"global", "eu"} {
			_, err := io.WriteString(conns[i], "GET /v1/allocation/"+documentedID+"?index=9&region="+region+" HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
		}
		synctest.Wait()
		end()
		for _, c := range conns {
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, "the request was ended\n", string(body))
			require.NoError(t, c.Close())
		}
		require.Empty(t, log.String(), "not a failure")
	})
}

// TestRegionHangs has the other region accept requests without answering: each request ends.
func TestRegionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		opts := toFar(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		h := httpapi.New(nil, opts)
		for query, atMost := range map[string]time.Duration{"": 31 * time.Second, "&index=9": 12 * time.Minute} {
			began := time.Now()
			w := ask(h, "GET", "/v1/allocation/"+documentedID+"?region=eu"+query)
			require.Equal(t, http.StatusBadGateway, w.Code)
			require.LessOrEqual(t, time.Since(began), atMost)
			require.GreaterOrEqual(t, time.Since(began), atMost-2*time.Minute, "a blocked request has its time")
		}
		require.Contains(t, log.String(), "status=502")
	})
}

// TestPassedHeaders has a proxy in front of this agent: its headers are kept.
func TestPassedHeaders(t *testing.T) {
	t.Parallel()
	var got http.Header
	opts := toFar(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	})
	opts.Logger = slog.New(slog.DiscardHandler)
	h := httpapi.New(nil, opts)
	const target = "/v1/allocation/" + documentedID + "?region=eu"
	require.Equal(t, 200, ask(h, "GET", target, "Via", "1.0 front, 1.1 allocstore-us", "X-Forwarded-For", "10.9.9.9",
		"Forwarded", "for=10.9.9.9", "X-Forwarded-Host", "nomad.example", "X-Forwarded-Proto", "https").Code)
	require.Equal(t, []string{"1.0 front, 1.1 allocstore-us", "1.1 allocstore-global"}, got["Via"])
	require.Equal(t, []string{"10.9.9.9, 192.0.2.1"}, got["X-Forwarded-For"])
	require.Equal(t, "for=10.9.9.9", got.Get("Forwarded"))
	require.Equal(t, "nomad.example", got.Get("X-Forwarded-Host"))
	require.Equal(t, "https", got.Get("X-Forwarded-Proto"))

	require.Equal(t, 200, ask(h, "GET", target).Code)
	require.Equal(t, []string{"192.0.2.1"}, got["X-Forwarded-For"])
	require.Equal(t, "example.com", got.Get("X-Forwarded-Host"))

	require.Equal(t, http.StatusLoopDetected, ask(h, "GET", target, "Via", "1.1 allocstore-us,1.1 allocstore-global , 1.1 a").Code, "a list in one line")
}
