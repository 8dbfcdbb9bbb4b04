package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

// A network is a net.Listener for connections in memory, as many as the memory allows.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newNetwork() *network { return &network{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "network"} }

func (n *network) dial() net.Conn {
	ours, theirs := net.Pipe()
	n.conns <- theirs
	return ours
}

// serve runs the server on a network of its own.
func serve(t *testing.T, server *http.Server) *network {
	t.Helper()
	n := newNetwork()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(n) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	return n
}

// used returns the number of goroutines, and the bytes in use.
func used() (goroutines int, bytes int64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int64(m.HeapAlloc + m.StackInuse)
}

// TestThousandsHangUp has 10,000 clients block and then close their connections. It does not run in
// parallel with other tests, since it counts goroutines.
func TestThousandsHangUp(t *testing.T) {
	s := storetest.Open(t)
	place(t, s)
	n := serve(t, httpapi.NewServer("", httpapi.New(s, nil)))
	crowd := func(clients int) {
		conns := make([]net.Conn, clients)
		for i := range conns {
			conns[i] = n.dial()
			_, err := fmt.Fprintf(conns[i], "GET /v1/allocation/%s?index=99 HTTP/1.1\r\nHost: x\r\n\r\n", documentedID)
			require.NoError(t, err)
		}
		waiters(t, s, clients)
		for _, c := range conns {
			require.NoError(t, c.Close())
		}
		waiters(t, s, 0)
	}
	crowd(100) // allocates the buffers that stay
	goroutines, bytes := used()
	crowd(10_000)
	require.Eventually(t, func() bool {
		g, b := used()
		return g <= goroutines+5 && b < bytes+16<<20
	}, 20*time.Second, 50*time.Millisecond, "as before: %d goroutines, %d bytes", goroutines, bytes)
}

// A timed response records the write deadline.
type timed struct {
	*httptest.ResponseRecorder
	deadline time.Time
	late     bool // something was written without a deadline
}

func (w *timed) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

func (w *timed) Write(b []byte) (int, error) {
	w.late = w.late || time.Until(w.deadline) <= 0
	return w.ResponseRecorder.Write(b)
}

// TestReadsNothing writes answers of this and of another region. Each write has a deadline, and the
// connection has no deadline afterwards.
func TestReadsNothing(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	far := httptest.NewServer(httpapi.New(s, &httpapi.Options{Region: "eu"}))
	t.Cleanup(far.Close)
	to, err := url.Parse(far.URL)
	require.NoError(t, err)
	near := httpapi.New(s, &httpapi.Options{Region: "us", Regions: map[string]*url.URL{"eu": to}})
	for query, status := range map[string]int{"": 200, "?region=eu": 200, "?pretty&region=eu": 200, "?index=x": 400} {
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		near.ServeHTTP(w, httptest.NewRequest("GET", "/v1/allocation/"+documentedID+query, nil))
		require.Equal(t, status, w.Code, query)
		require.NotEmpty(t, w.Body.String())
		require.False(t, w.late, "written without a deadline: %q", query)
		require.Zero(t, w.deadline, query)
	}
}

// TestSlowBody announces a body that never arrives. The connection ends, with NewServer for any
// handler, and with any server for the handler of New.
func TestSlowBody(t *testing.T) {
	endpoint := httpapi.New(nil, nil)
	for name, server := range map[string]func() *http.Server{
		"ours":           func() *http.Server { return httpapi.NewServer("", endpoint) },
		"another's":      func() *http.Server { return &http.Server{Handler: endpoint} },
		"beside another": func() *http.Server { return httpapi.NewServer("", http.NotFoundHandler()) },
	} {
		for _, body := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
			for _, method := range []string{"POST", "GET"} {
				synctest.Test(t, func(t *testing.T) {
					c := serve(t, server()).dial()
					began := time.Now()
					_, err := io.WriteString(c, method+" /v1/allocation/x HTTP/1.1\r\nHost: x\r\n"+body+"\r\n\r\n")
					require.NoError(t, err)
					answer, err := io.ReadAll(c)
					require.NoError(t, err, "%s: the connection is closed", name)
					require.Regexp(t, "^HTTP/1.1 40[045]", string(answer), name)
					require.LessOrEqual(t, time.Since(began), 11*time.Second, name)
				})
			}
		}
	}
}

// TestSlowAndHuge sends headers that never end, and huge ones.
func TestSlowAndHuge(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	hasty := httpapi.NewServer("", httpapi.New(s, nil))
	hasty.ReadHeaderTimeout = 100 * time.Millisecond
	slow := serve(t, hasty).dial()
	_, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(slow)
	require.NoError(t, err, "the connection is closed")
	require.NotContains(t, string(answer), " 200 ")

	n := serve(t, httpapi.NewServer("", httpapi.New(s, nil))) // with the usual timeout, for a busy machine
	for name, request := range map[string]string{
		"a URL":           "GET /v1/allocation/" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a URL, not as":   "GET /v1/allocation/" + strings.Repeat("x", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"headers":         "GET /v1/allocation/x HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Some: thing\r\n", 1<<16) + "\r\n",
		"headers, not as": "GET /v1/allocation/x HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Some: thing\r\n", 2000) + "\r\n",
	} {
		c := n.dial()
		go func() { _, _ = io.WriteString(c, request) }() // the server does not read all of it
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode, name)
		_ = response.Body.Close()
		require.NoError(t, c.Close())
	}
}
