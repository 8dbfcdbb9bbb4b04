package main

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// An installer is a system whose nodes are installed by raft's snapshots.
type installer interface {
	system

	// add adds an empty node as a voter.
	add(ctx context.Context) (node int, err error)

	arrivalsOf(node int) *arrivals
}

// A fullTransport is a transport with all that raft asks of one.
type fullTransport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
}

// arrivals notes when snapshots arrive at a node: the end of the last read of a snapshot's bytes, and the answer to the
// leader, which follows when the node shows the content.
type arrivals struct {
	mu         sync.Mutex
	began      time.Time // the first byte was asked for
	last, done time.Time
	bytes      int64
	failed     error
}

// watch returns a transport that notes the snapshots that t receives.
func (a *arrivals) watch(t fullTransport) raft.Transport {
	w := &watchedTransport{fullTransport: t, calls: make(chan raft.RPC)}
	go func() {
		for call := range t.Consumer() {
			if _, ok := call.Command.(*raft.InstallSnapshotRequest); ok {
				call = a.watchCall(call)
			}
			w.calls <- call
		}
	}()
	return w
}

type watchedTransport struct {
	fullTransport
	calls chan raft.RPC
}

// Consumer returns the calls of other nodes.
func (w *watchedTransport) Consumer() <-chan raft.RPC { return w.calls }

// watchCall returns the call that brings a snapshot with a reader that notes the time, and notes the answer.
func (a *arrivals) watchCall(call raft.RPC) raft.RPC {
	a.mu.Lock()
	a.began, a.bytes = time.Now(), 0
	a.mu.Unlock()
	answers, to := make(chan raft.RPCResponse, 1), call.RespChan
	call.Reader, call.RespChan = &watchedReader{call.Reader, a}, answers
	go func() {
		answer := <-answers
		a.mu.Lock()
		a.done, a.failed = time.Now(), answer.Error
		a.mu.Unlock()
		to <- answer
	}()
	return call
}

type watchedReader struct {
	io.Reader
	a *arrivals
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.a.mu.Lock()
		r.a.last = time.Now()
		r.a.bytes += int64(n)
		r.a.mu.Unlock()
	}
	return n, err
}

// arrival describes the last snapshot.
func (a *arrivals) arrival() (sending, after time.Duration, bytes int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last.Sub(a.began), a.done.Sub(a.last), a.bytes, a.failed
}

// installed reports whether a snapshot has been installed.
func (a *arrivals) installed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.done.IsZero() && a.done.After(a.last)
}

func newArrivals(n int) []*arrivals {
	all := make([]*arrivals, n)
	for i := range all {
		all[i] = new(arrivals)
	}
	return all
}
