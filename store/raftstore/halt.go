package raftstore

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// A halt is the end of a node whose store cannot apply an entry, or whose log cannot be written. Raft has no error of an
// FSM: it would lead on, take a snapshot under an index that the store does not have, and cut the log. After an error of the
// log it would follow without taking an entry, also when the disk works again, or panic. So from the first error on
// the FSM applies and answers nothing, the log is neither cut nor extended, and the node leaves raft.
type halt struct {
	cause   atomic.Pointer[error] // an ErrHalted; set once
	once    sync.Once
	raft    *raft.Raft    // set before started is closed
	started chan struct{} // closed when raft has started
	left    chan struct{} // closed when the node has left raft
	down    func()        // ends Node.up
	tell    func(error)   // Config.Halted, or nil
	note    func(error)   // logs the cause
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
	if h.raft.State() == raft.Leader {
		_ = h.raft.LeadershipTransfer().Error() // within an election timeout
	}
	_ = h.raft.Shutdown().Error()
	close(h.left)
	if h.tell != nil {
		h.tell(err)
	}
}

// wait blocks until a halted node has left raft.
func (h *halt) wait() {
	if h.err() != nil {
		<-h.left
	}
}

// A guardedLog is a raft.LogStore that a halted node neither cuts nor extends. Its first error in doing so halts the node.
type guardedLog struct {
	raft.LogStore
	halt *halt
}

// IsMonotonic says that the log has no gaps, as a raft.MonotonicLogStore.
func (l *guardedLog) IsMonotonic() bool {
	m, ok := l.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}

// StoreLog is StoreLogs of one entry.
func (l *guardedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries.
func (l *guardedLog) StoreLogs(logs []*raft.Log) error {
	if err := l.halt.err(); err != nil {
		return err
	}
	if err := l.LogStore.StoreLogs(logs); err != nil {
		return l.halt.begin(fmt.Errorf("append to the log: %w", err))
	}
	return nil
}

// DeleteRange removes entries.
func (l *guardedLog) DeleteRange(low, high uint64) error {
	if err := l.halt.err(); err != nil {
		return err
	}
	if err := l.LogStore.DeleteRange(low, high); err != nil {
		return l.halt.begin(fmt.Errorf("cut the log: %w", err))
	}
	return nil
}

// A guardedStable is the raft.StableStore of a node: the term, and the latest vote. Its first error halts the node, which then
// does not vote any more.
type guardedStable struct {
	raft.StableStore
	halt *halt
}

// termKey is raft's key of the current term.
var termKey = []byte("CurrentTerm")

// Set writes a value, which is a part of a vote.
func (s *guardedStable) Set(key, value []byte) error {
	if err := s.halt.err(); err != nil {
		return err
	}
	return s.failed(s.StableStore.Set(key, value))
}

// SetUint64 writes a number, which is the current term or a part of a vote. Raft panics after an error of the first. There is
// none: a node that has halted takes no entry and gives no vote, so it may forget the term.
func (s *guardedStable) SetUint64(key []byte, value uint64) error {
	isTerm := bytes.Equal(key, termKey)
	if err := s.halt.err(); err != nil && !isTerm {
		return err
	}
	if err := s.failed(s.StableStore.SetUint64(key, value)); !isTerm {
		return err
	}
	return nil
}

func (s *guardedStable) failed(err error) error {
	if err == nil {
		return nil
	}
	return s.halt.begin(fmt.Errorf("write the term or the vote: %w", err))
}
