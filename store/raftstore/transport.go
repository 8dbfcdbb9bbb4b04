package raftstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// The first byte of a connection is its kind.
const (
	raftStream    = 'r'
	forwardStream = 'f'
)

// Defaults of TransportOptions.
const (
	defaultTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	raftPool         = 4 // connections to each node
)

// TransportOptions are the settings of a Transport.
type TransportOptions struct {
	// Advertise is the address that other nodes dial. "" means that of the listener, which must not be a wildcard then.
	Advertise string

	// TLS encrypts all connections: it is used to listen and to dial. For mutual TLS it has Certificates, RootCAs,
	// ClientCAs and ClientAuth of [tls.RequireAndVerifyClientCert]. The name of the dialed host is verified unless
	// ServerName is set. Nil means plain TCP, for networks that only the nodes can reach: every client of the port can write.
	TLS *tls.Config

	// Dial opens a TCP connection to the address of a node, as [net.Dialer.DialContext] with "tcp" does. It is for networks where an
	// advertised address is not the one to dial, as behind a proxy. TLS is added afterwards. Nil dials the address itself.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// Timeout bounds each message of raft, and dialing. Default 10 s. Messages and snapshots have as much for each 256 KiB.
	Timeout time.Duration

	// MaxRequestBytes bounds a forwarded request, and an answer. Default 128 MiB; it is above MaxBatchBytes of all nodes.
	MaxRequestBytes int

	// Logger receives the messages of raft's transport. Nil means [slog.Default].
	Logger *slog.Logger
}

// A Transport connects nodes by TCP: raft's own messages, and requests that are forwarded to the leader, on one
// port. Its methods may be called from any goroutine. Close it through the Node that uses it, or by hand if Open failed.
type Transport struct {
	*raft.NetworkTransport
	mux     *mux
	client  *client
	checked chan raft.RPC
}

// NewTransport listens on a TCP address, and returns a transport for one node. Errors: store.ErrInvalid for a wildcard
// that cannot be advertised, and those of the network.
func NewTransport(address string, o *TransportOptions) (*Transport, error) {
	var c TransportOptions
	if o != nil {
		c = *o
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxRequestBytes <= 0 {
		c.MaxRequestBytes = 128 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, to string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", to)
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	m, err := newMux(l, &c)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	t := &Transport{mux: m, client: newClient(&c, m.dial), checked: make(chan raft.RPC)}
	t.NetworkTransport = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: m, MaxPool: raftPool, Timeout: c.Timeout, Logger: newHCLogger(c.Logger),
	})
	m.tasks.Go(t.check)
	return t, nil
}

// Consumer returns raft's messages of other nodes. Those that would make raft panic are answered with an error.
func (t *Transport) Consumer() <-chan raft.RPC { return t.checked }

// check passes raft's messages on until Close.
func (t *Transport) check() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			if err := checkMessage(rpc.Command); err != nil {
				rpc.Respond(nil, err)
				continue
			}
			select {
			case t.checked <- rpc:
			case <-t.mux.ctx.Done():
				return
			}
		case <-t.mux.ctx.Done():
			return
		}
	}
}

// checkMessage returns an error for a message that would make raft panic.
func checkMessage(message any) error {
	switch q := message.(type) {
	case *raft.InstallSnapshotRequest:
		_, err := decodeMembers(q.Configuration)
		return err
	case *raft.AppendEntriesRequest:
		if slices.Contains(q.Entries, nil) {
			return fmt.Errorf("%w: a message with an entry that is missing", store.ErrCorrupt)
		}
	}
	return nil
}

// Serve gives the requests of other nodes to handle. Open calls it with Node.Handle.
func (t *Transport) Serve(handle func(context.Context, []byte) ([]byte, error)) {
	t.mux.serve(handle)
}

// Forward sends a request to the node at an address, and returns its answer. It blocks until the answer arrives. The error is
// an ErrNotLeader if the request was not sent; after ctx's and any other error it may have been handled.
func (t *Transport) Forward(ctx context.Context, to raft.ServerAddress, request []byte) ([]byte, error) {
	return t.client.do(ctx, string(to), request)
}

// Close closes the port and all connections, also those that other nodes have opened.
func (t *Transport) Close() error {
	t.client.close()
	return t.NetworkTransport.Close() // and the mux
}

// A mux accepts connections and gives them to raft or to the forwarded requests, by their first byte. It is raft's
// StreamLayer.
type mux struct {
	net.Listener
	options *TransportOptions
	addr    net.Addr
	toRaft  chan net.Conn
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	inRaft  sync.WaitGroup // connections that raft handles, until it closes them

	mu struct {
		sync.Mutex
		open   map[net.Conn]struct{} // accepted
		handle func(context.Context, []byte) ([]byte, error)
		closed bool
	}
}

var _ raft.StreamLayer = (*mux)(nil)

func newMux(l net.Listener, o *TransportOptions) (*mux, error) {
	m := &mux{Listener: l, options: o, addr: l.Addr(), toRaft: make(chan net.Conn)}
	if o.Advertise != "" {
		a, err := net.ResolveTCPAddr("tcp", o.Advertise)
		if err != nil {
			return nil, fmt.Errorf("%w: TransportOptions.Advertise: %w", store.ErrInvalid, err)
		}
		m.addr = namedAddr{a, o.Advertise}
	} else if a, ok := m.addr.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		return nil, fmt.Errorf("%w: %v is no address to dial: set TransportOptions.Advertise", store.ErrInvalid, a)
	}
	m.mu.open = make(map[net.Conn]struct{})
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.tasks.Go(m.acceptAll)
	return m, nil
}

// A namedAddr is an address by its name.
type namedAddr struct {
	net.Addr
	name string
}

func (a namedAddr) String() string { return a.name }

// Addr returns the address that other nodes dial.
func (m *mux) Addr() net.Addr { return m.addr }

// acceptAll accepts connections until Close.
func (m *mux) acceptAll() {
	for {
		conn, err := m.Listener.Accept()
		if err != nil {
			if m.ctx.Err() != nil {
				return
			}
			select { // too many files, for example
			case <-time.After(10 * time.Millisecond):
			case <-m.ctx.Done():
			}
			continue
		}
		if m.options.TLS != nil {
			conn = tls.Server(conn, m.options.TLS)
		}
		if m.add(conn) {
			m.tasks.Go(func() { m.route(conn) })
		}
	}
}

// add notes a connection, which Close closes.
func (m *mux) add(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		_ = conn.Close()
		return false
	}
	m.mu.open[conn] = struct{}{}
	return true
}

func (m *mux) remove(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.open, conn)
}

// route reads the first byte of a connection. A client that does not send it is cut off.
func (m *mux) route(conn net.Conn) {
	var first [1]byte
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	_, err := conn.Read(first[:])
	_ = conn.SetDeadline(time.Time{})
	owned := &ownedConn{Conn: conn, m: m}
	if err == nil {
		switch first[0] {
		case raftStream:
			m.inRaft.Add(1)
			owned.ended = sync.OnceFunc(m.inRaft.Done)
			select {
			case m.toRaft <- owned:
				return
			case <-m.ctx.Done():
			}
		case forwardStream:
			m.serveConn(owned)
		}
	}
	_ = owned.Close()
}

// An ownedConn is forgotten when it is closed.
type ownedConn struct {
	net.Conn
	m     *mux
	ended func() // of a connection of raft: it is not handled any more
}

// Close closes the connection.
func (c *ownedConn) Close() error {
	if c.ended != nil {
		c.ended()
	}
	c.m.remove(c.Conn)
	return c.Conn.Close()
}

// Accept returns the next connection for raft.
func (m *mux) Accept() (net.Conn, error) {
	select {
	case conn := <-m.toRaft:
		return conn, nil
	case <-m.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Dial opens a connection for raft.
func (m *mux) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(m.ctx, timeout)
	defer cancel()
	conn, err := m.dial(ctx, string(address), raftStream)
	if err != nil {
		return nil, err
	}
	return &pacedConn{conn, m.options.Timeout}, nil
}

// pacedBytes is the size of the pieces of a message that have a timeout each.
const pacedBytes = 256 << 10

// A pacedConn gives each piece of a message the timeout that raft gives the whole. Raft sends up to
// MaxAppendEntries entries in one message, however large they are: a follower that is behind, on a slow network, would get the
// same beginning again and again.
type pacedConn struct {
	net.Conn
	timeout time.Duration
}

// Write writes bytes, and allows a timeout for the next ones or the answer.
func (c *pacedConn) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		var done int
		done, err = c.Conn.Write(p[n:min(n+pacedBytes, len(p))])
		n += done
		_ = c.SetDeadline(time.Now().Add(c.timeout)) // after an error there are no next ones
	}
	return n, err
}

// dial opens a connection of a kind.
func (m *mux) dial(ctx context.Context, address string, kind byte) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.options.Timeout)
	defer cancel()
	if conn, err = m.options.Dial(ctx, address); err != nil {
		return nil, err
	}
	if m.options.TLS != nil {
		if conn, err = m.encrypt(ctx, conn, address); err != nil {
			return nil, err
		}
	}
	_ = conn.SetWriteDeadline(time.Now().Add(m.options.Timeout))
	if _, err = conn.Write([]byte{kind}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, conn.SetWriteDeadline(time.Time{})
}

// encrypt begins TLS on a connection to an address. After an error the connection is closed.
func (m *mux) encrypt(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	c := m.options.TLS
	if c.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		c = c.Clone()
		c.ServerName = host
	}
	encrypted := tls.Client(conn, c)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return encrypted, nil
}

// Close closes the port and the accepted connections, and waits until their requests have ended, raft's included: raft handles
// heartbeats in the goroutine of the connection, and writes the term. Calling it again does nothing.
func (m *mux) Close() error {
	m.mu.Lock()
	if m.mu.closed {
		m.mu.Unlock()
		return nil
	}
	m.mu.closed = true
	for conn := range m.mu.open {
		_ = conn.Close()
	}
	m.mu.Unlock()
	m.stop()
	err := m.Listener.Close()
	m.tasks.Wait()
	m.inRaft.Wait()
	return err
}
