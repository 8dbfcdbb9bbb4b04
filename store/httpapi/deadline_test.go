package httpapi_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

// serveOver serves the handler over a protocol, by the server that configure sets up. The client has connections
// in memory, each wrapped by wrap.
func serveOver(t *testing.T, protocol string, h http.Handler, configure func(*http.Server), wrap func(net.Conn) net.Conn) *http.Client {
	t.Helper()
	n := newNetwork()
	server := httptest.NewUnstartedServer(h)
	require.NoError(t, server.Listener.Close())
	server.Listener = n
	configure(server.Config)
	if server.EnableHTTP2 = protocol == "HTTP/2.0"; server.EnableHTTP2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		return wrap(n.dial()), nil
	}
	return client
}

func unwrapped(c net.Conn) net.Conn { return c }

// get sends a request for the documented allocation.
func get(t *testing.T, client *http.Client, protocol, query string, body io.Reader) (*http.Response, error) {
	t.Helper()
	scheme := map[string]string{"HTTP/1.1": "http", "HTTP/2.0": "https"}[protocol]
	r, err := http.NewRequestWithContext(t.Context(), "GET", scheme+"://example.com/v1/allocation/"+documentedID+query, body)
	require.NoError(t, err)
	return client.Do(r)
}

var protocols = []string{"HTTP/1.1", "HTTP/2.0"}

// TestServerTimeouts blocks for longer than the timeouts of a server that the program has set up.
func TestServerTimeouts(t *testing.T) {
	for _, protocol := range protocols {
		for name, configure := range map[string]func(*http.Server){
			"WriteTimeout": func(s *http.Server) { s.WriteTimeout = time.Second },
			"ReadTimeout":  func(s *http.Server) { s.ReadTimeout = time.Second },
			"both":         func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = time.Second, time.Second },
		} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := storetest.Open(t)
					place(t, s)
					client := serveOver(t, protocol, httpapi.New(s, nil), configure, unwrapped)
					for range 2 { // the second time on the same connection
						requireBlocks(t, client, protocol, nil)
						requireBlocks(t, client, protocol, io.NopCloser(http.NoBody)) // an empty body in chunks
					}
					client.CloseIdleConnections()
				})
			})
		}
	}
}

// requireBlocks sends a request that blocks for 3 seconds, and requires its answer.
func requireBlocks(t *testing.T, client *http.Client, protocol string, body io.Reader) {
	t.Helper()
	began := time.Now()
	answer, err := get(t, client, protocol, "?index=99&wait=3s", body)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, protocol, answer.Proto)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", text)
	require.Contains(t, string(text), documentedID)
	require.GreaterOrEqual(t, time.Since(began), 3*time.Second)
}

// TestEmptyChunks blocks after an empty body in chunks: for longer than the time that a body has to
// arrive, and until the client hangs up.
func TestEmptyChunks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *store.Store, h http.Handler) {
		place(t, s)
		c := serve(t, httpapi.NewServer("", h)).dial()
		const chunked = " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
		const path = "GET /v1/allocation/" + documentedID + "?index=99&wait="
		for range 2 {
			_, err := io.WriteString(c, path+"1m"+chunked)
			require.NoError(t, err)
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.StatusCode)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, err)
		}
		_, err := io.WriteString(c, path+"5m"+chunked)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 1, s.Stats().Waiters)
		require.NoError(t, c.Close())
		synctest.Wait()
		require.Zero(t, s.Stats().Waiters, "the hang-up ends the wait")
	})
}

// A stalling connection delivers nothing any more once stalled is closed, and fails once failed is.
type stalling struct {
	net.Conn
	stalled, failed chan struct{}
}

func (c stalling) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case <-c.stalled:
		<-c.failed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

// TestUnreadAnswer has clients that do not read their answers: each is cut off 30 seconds after it was
// begun, whatever the timeouts of the server.
func TestUnreadAnswer(t *testing.T) {
	for _, protocol := range protocols {
		for name, configure := range map[string]func(*http.Server){
			"no timeouts":  func(*http.Server) {},
			"WriteTimeout": func(s *http.Server) { s.WriteTimeout = time.Second },
			"ReadTimeout":  func(s *http.Server) { s.ReadTimeout = time.Second },
		} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { requireCutOff(t, protocol, configure, false) })
			})
		}
	}
}

// TestStalledConnection has a client of HTTP/2 that reads nothing from its connection. The write deadline
// of a stream does not free its handler then; NewServer has another for the connection.
func TestStalledConnection(t *testing.T) {
	configure := func(s *http.Server) { s.HTTP2 = httpapi.NewServer("", nil).HTTP2 }
	synctest.Test(t, func(t *testing.T) { requireCutOff(t, "HTTP/2.0", configure, true) })
}

// incompressible is a text that gzip does not make much shorter.
func incompressible(t *testing.T) string {
	t.Helper()
	b := make([]byte, 200_000)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return hex.EncodeToString(b)
}

// requireCutOff sends a request that blocks for two minutes, and requires that the handler ends some 30
// seconds after the change of the allocation. Before the change the connection stalls, or the client
// merely does not read the answer.
func requireCutOff(t *testing.T, protocol string, configure func(*http.Server), stalls bool) {
	t.Helper()
	s := storetest.Open(t)
	index := place(t, s)
	h, ended := httpapi.New(s, nil), make(chan time.Time, 1)
	timed := func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		ended <- time.Now()
	}
	stalled, failed := make(chan struct{}), make(chan struct{})
	client := serveOver(t, protocol, http.HandlerFunc(timed), configure,
		func(c net.Conn) net.Conn { return stalling{c, stalled, failed} })
	client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
	read := make(chan error, 1)
	go func() {
		answer, err := get(t, client, protocol, "?index="+strconv.FormatUint(index, 10), nil)
		if err == nil {
			<-failed
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		read <- err
	}()
	time.Sleep(2 * time.Minute)
	require.Equal(t, 1, s.Stats().Waiters, "blocked for longer than any timeout")
	if stalls {
		close(stalled)
	}
	changed := time.Now()
	_, err := s.UpdateFromClient(t.Context(), &schema.Allocation{ID: documentedID, ClientDescription: incompressible(t)})
	require.NoError(t, err)
	took := (<-ended).Sub(changed)
	require.GreaterOrEqual(t, took, 30*time.Second)
	require.LessOrEqual(t, took, 36*time.Second) // TLS takes 5 seconds to say goodbye to a stalled client
	close(failed)
	require.Error(t, <-read, "the client is told that the answer is incomplete")
}
