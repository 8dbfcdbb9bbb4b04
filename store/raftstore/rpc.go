package raftstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Requests and answers are frames:
//
//	number  8 bytes   of the request; answers come in any order
//	size    4 bytes   of what follows
//	failed  1 byte    of an answer: 1 if the text of an error follows, and the request was not handled
//	bytes
const frameHead = 12

// maxHandled bounds the requests of one connection that are handled at once.
const maxHandled = 4096

// appendFrame appends a frame to b.
func appendFrame(b []byte, number uint64, payload ...[]byte) []byte {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	for _, p := range payload {
		b = append(b, p...)
	}
	return b
}

// readFrame reads a frame of at most limit bytes. Memory grows with the bytes that arrive.
func readFrame(r io.Reader, limit int) (number uint64, payload []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[8:]))
	if size > int64(limit) {
		return 0, nil, fmt.Errorf("a frame of %d bytes: the most is %d", size, limit)
	}
	var b bytes.Buffer
	b.Grow(int(min(size, 64<<10)))
	if _, err := io.CopyN(&b, r, size); err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint64(head[:8]), b.Bytes(), nil
}

// serve sets the handler of requests.
func (m *mux) serve(handle func(context.Context, []byte) ([]byte, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.handle = handle
}

func (m *mux) handler() func(context.Context, []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.handle
}

// serveConn handles the requests of a connection until it ends, each in a goroutine, and waits for them. The requests of a
// connection that ends are canceled: their answers would not be read.
func (m *mux) serveConn(conn net.Conn) {
	ctx, cancel := context.WithCancel(m.ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	var writing sync.Mutex
	slots := make(chan struct{}, maxHandled)
	for {
		number, request, err := readFrame(conn, m.options.MaxRequestBytes)
		if err != nil {
			return
		}
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			frame := m.answer(ctx, number, request)
			writing.Lock()
			defer writing.Unlock()
			_ = conn.SetWriteDeadline(time.Now().Add(m.options.Timeout))
			if _, err := conn.Write(frame); err != nil {
				_ = conn.Close() // which ends the reader
			}
		})
	}
}

// answer returns the frame with the answer to a request.
func (m *mux) answer(ctx context.Context, number uint64, request []byte) []byte {
	handle := m.handler()
	if handle == nil {
		return appendFrame(nil, number, []byte{1}, []byte("the node has not started"))
	}
	answer, err := handle(ctx, request)
	if err != nil {
		return appendFrame(nil, number, []byte{1}, []byte(err.Error()))
	}
	return appendFrame(nil, number, []byte{0}, answer)
}

// A client sends requests to other nodes, over one connection to each.
type client struct {
	options *TransportOptions
	dial    func(ctx context.Context, address string, kind byte) (net.Conn, error)

	mu struct {
		sync.Mutex
		conns  map[string]*clientConn
		closed bool
	}
}

func newClient(o *TransportOptions, dial func(context.Context, string, byte) (net.Conn, error)) *client {
	c := &client{options: o, dial: dial}
	c.mu.conns = make(map[string]*clientConn)
	return c
}

// A clientConn is a connection to one node. Requests that are sent while it is dialed wait for it.
type clientConn struct {
	conn    net.Conn      // set before ready is closed, unless err is
	err     error         // of dialing
	ready   chan struct{} // closed after dialing
	broken  chan struct{} // closed when the connection has ended
	writing sync.Mutex    // held for one frame

	mu struct {
		sync.Mutex
		last    uint64
		waiting map[uint64]chan []byte // by number; each takes one answer
		ended   bool
	}
}

// conn returns the connection to an address, which may be dialed yet, or nil after close.
func (c *client) conn(address string) *clientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil
	}
	cc := c.mu.conns[address]
	if cc == nil {
		cc = &clientConn{ready: make(chan struct{}), broken: make(chan struct{})}
		cc.mu.waiting = make(map[uint64]chan []byte)
		c.mu.conns[address] = cc
		go c.run(address, cc)
	}
	return cc
}

// run dials, and reads the answers of one connection until it ends.
func (c *client) run(address string, cc *clientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	cc.conn, cc.err = c.dial(ctx, address, forwardStream)
	cancel()
	close(cc.ready)
	if cc.err == nil {
		c.mu.Lock()
		if c.mu.closed {
			_ = cc.conn.Close()
		}
		c.mu.Unlock()
		cc.readAll(c.options.MaxRequestBytes)
		_ = cc.conn.Close()
	}
	c.mu.Lock()
	delete(c.mu.conns, address)
	c.mu.Unlock()
	cc.mu.Lock()
	cc.mu.ended = true
	cc.mu.Unlock()
	close(cc.broken)
}

// readAll gives the answers to their callers.
func (cc *clientConn) readAll(limit int) {
	for {
		number, answer, err := readFrame(cc.conn, limit+1)
		if err != nil {
			return
		}
		cc.mu.Lock()
		to := cc.mu.waiting[number]
		delete(cc.mu.waiting, number)
		cc.mu.Unlock()
		if to != nil {
			to <- answer
		}
	}
}

// errBroken is the error of a request whose connection ended before its answer came.
var errBroken = errors.New("the connection has ended")

// do sends a request and returns its answer.
func (c *client) do(ctx context.Context, address string, request []byte) ([]byte, error) {
	if len(request) > c.options.MaxRequestBytes {
		return nil, fmt.Errorf("%w: a request of %d bytes: the most is %d", ErrNotLeader, len(request), c.options.MaxRequestBytes)
	}
	cc := c.conn(address)
	if cc == nil {
		return nil, fmt.Errorf("%w: the transport is closed", ErrNotLeader)
	}
	select {
	case <-cc.ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNotLeader, ctx.Err())
	}
	if cc.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotLeader, cc.err)
	}
	number, answered, err := cc.enter()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	defer cc.leave(number)
	if err := cc.send(number, request, c.options.Timeout); err != nil {
		return nil, err
	}
	select {
	case answer := <-answered:
		return openAnswer(answer)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-cc.broken:
	}
	select {
	case answer := <-answered: // it came before the end
		return openAnswer(answer)
	default:
		return nil, errBroken
	}
}

// enter returns the number of a new request, and where its answer comes.
func (cc *clientConn) enter() (uint64, chan []byte, error) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.mu.ended {
		return 0, nil, errBroken
	}
	cc.mu.last++
	answered := make(chan []byte, 1)
	cc.mu.waiting[cc.mu.last] = answered
	return cc.mu.last, answered, nil
}

func (cc *clientConn) leave(number uint64) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	delete(cc.mu.waiting, number)
}

// send writes a request. A connection that took a part of it is closed.
func (cc *clientConn) send(number uint64, request []byte, timeout time.Duration) error {
	frame := appendFrame(nil, number, request)
	cc.writing.Lock()
	defer cc.writing.Unlock()
	_ = cc.conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := cc.conn.Write(frame); err != nil {
		_ = cc.conn.Close()
		return err
	}
	return nil
}

// openAnswer returns the answer in a frame.
func openAnswer(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return nil, errAnswer
	case b[0] != 0:
		return nil, fmt.Errorf("%w: %s", ErrNotLeader, b[1:])
	}
	return b[1:], nil
}

// close closes all connections. Running requests end.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closed = true
	for _, cc := range c.mu.conns {
		select {
		case <-cc.ready:
			if cc.err == nil {
				_ = cc.conn.Close()
			}
		default: // run closes it
		}
	}
}
