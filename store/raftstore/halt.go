package raftstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// A halt is the end of a node whose store cannot apply an entry, or whose log cannot be written. Raft has no error of an FSM:
// it would lead on, take a snapshot under an index that the store does not have, and cut the log. After an error of
// the log it would follow without taking an entry, also when the disk works again, or panic. So from the first error on
// the FSM applies and answers nothing, the log is neither cut nor extended, and the node leaves raft.
type halt struct {
	cause   atomic.Pointer[error] // an ErrHalted; set once
	once    sync.Once
	raft    *raft.Raft      // set before started is closed
	started chan struct{}   // closed when raft has started, or Open has failed before
	ended   chan struct{}   // closed by begin
	left    chan struct{}   // closed when the node has left raft
	down    func()          // ends Node.up
	closing <-chan struct{} // closed when Node.Close begins
	restore sync.Mutex      // held while raft restores: it panics if it stops meanwhile
	tell    func(error)     // Config.Halted, or nil
	note    func(error)     // logs the cause
}

func newHalt() *halt {
	return &halt{started: make(chan struct{}), ended: make(chan struct{}), left: make(chan struct{}), note: func(error) {}, down: func() {}}
}

// err returns an ErrHalted with the cause, or nil.
func (h *halt) err() error {
	if err := h.cause.Load(); err != nil {
		return *err
	}
	return nil
}

// begin halts the node and returns at once. Only the first call has an effect.
func (h *halt) begin(cause error) error {
	h.once.Do(func() {
		err := fmt.Errorf("%w: %w; if the store cannot be opened again, remove the node from the cluster, "+
			"remove its directory, and let it join anew", ErrHalted, cause)
		h.cause.Store(&err)
		close(h.ended)
		h.down()
		go h.leave(err)
	})
	return h.err()
}

// leave gives the leadership away, stops raft and tells the owner. Another node is elected sooner if it is told. If no
// node takes the leadership, raft stops anyway.
func (h *halt) leave(err error) {
	h.note(err)
	<-h.started
	if h.raft == nil { // Open returns the error
		close(h.left)
		return
	}
	h.giveUp()
	h.restore.Lock()
	defer h.restore.Unlock()
	_ = h.raft.Shutdown().Error()
	close(h.left)
	if h.tell != nil {
		h.tell(err)
	}
}

// giveUp gives the leadership away. Raft tries for an election timeout, and never answers if its main goroutine waits
// for the disk, or if raft stops before it has begun.
func (h *halt) giveUp() {
	if h.raft.State() != raft.Leader {
		return
	}
	answered := make(chan struct{})
	go func() { _ = h.raft.LeadershipTransfer().Error(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(2 * h.raft.ReloadableConfig().ElectionTimeout):
	case <-h.closing:
	}
}

// follows reports whether raft has started and does not lead.
func (h *halt) follows() bool {
	select {
	case <-h.started:
		return h.raft != nil && h.raft.State() == raft.Follower
	default:
		return false
	}
}

// wait blocks until a halted node has left raft.
func (h *halt) wait() {
	if h.err() != nil {
		<-h.left
	}
}
