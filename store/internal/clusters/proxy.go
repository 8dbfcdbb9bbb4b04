package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A network is a state of a link.
type network struct {
	cut    bool          // connections end, and new ones too
	stall  [2]bool       // bytes to the dialed node, and back, wait
	delay  time.Duration // of all bytes
	perSec int           // bytes a second in each direction; 0 for no bound
}

// A link is the proxy between a node that dials and one that is dialed.
type link struct {
	from, to int
	target   string
	listener net.Listener
	network  atomic.Pointer[network]

	mu     sync.Mutex // guards the connections, and closed
	conns  map[net.Conn]struct{}
	closed bool
}

// newLink returns the proxy to an address.
func newLink(from, to int, target string) (*link, error) {
	l := &link{from: from, to: to, target: target, conns: make(map[net.Conn]struct{})}
	l.network.Store(new(network))
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go l.accept()
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

// set changes the state of the link.
func (l *link) set(n network) {
	l.network.Store(&n)
	if n.cut {
		l.closeAll()
	}
}

func (l *link) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

// close ends the proxy.
func (l *link) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.closeAll()
}

// add notes a connection; it reports whether the proxy still works.
func (l *link) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *link) remove(c net.Conn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

func (l *link) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		if l.add(c) {
			go l.serve(c)
		}
	}
}

// serve connects one connection to the target.
func (l *link) serve(c net.Conn) {
	defer l.remove(c)
	if l.network.Load().cut {
		return
	}
	to, err := net.DialTimeout("tcp", l.target, time.Second)
	if err != nil || !l.add(to) {
		return
	}
	defer l.remove(to)
	ended := make(chan struct{}, 2)
	for direction, pair := range [][2]net.Conn{{c, to}, {to, c}} {
		go func() {
			l.pump(direction, pair[0], pair[1])
			ended <- struct{}{}
		}()
	}
	<-ended // then both ends are closed
}

// A parcel is some bytes, and the time of their arrival.
type parcel struct {
	bytes []byte
	at    time.Time
}

// pump passes bytes on, until one of the ends is closed.
func (l *link) pump(direction int, from, to net.Conn) {
	queue, gone := make(chan parcel, 16), make(chan struct{})
	defer close(gone)
	go func() {
		defer close(queue)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if err != nil {
				return
			}
			select {
			case queue <- parcel{b[:n], time.Now()}:
			case <-gone:
				return
			}
		}
	}()
	for p := range queue {
		if !l.hold(direction, p) {
			return
		}
		if _, err := to.Write(p.bytes); err != nil {
			return
		}
	}
}

// hold waits until a parcel may go on. It reports false if the link is cut.
func (l *link) hold(direction int, p parcel) bool {
	for {
		n := l.network.Load()
		if n.cut {
			return false
		}
		left := n.delay - time.Since(p.at)
		switch {
		case n.stall[direction]:
			left = 5 * time.Millisecond
		case left <= 0 && n.perSec > 0:
			time.Sleep(time.Duration(len(p.bytes)) * time.Second / time.Duration(n.perSec))
			return true
		case left <= 0:
			return true
		}
		time.Sleep(min(left, 5*time.Millisecond))
	}
}
