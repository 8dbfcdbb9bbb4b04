package raftstore

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// A halt is the end of a node whose store cannot apply an entry. Raft has no error of an FSM: it would lead on, take
// a snapshot under an index that the store does not have, and cut the log. So from the first error on
// the FSM applies and answers nothing, the log is neither cut nor extended, and the node leaves raft.
type halt struct {
	cause   atomic.Pointer[error] // an ErrHalted; set once
	once    sync.Once
	raft    *raft.Raft      // set before started is closed
	started chan struct{}   // closed when raft has started, or Open has failed before
	ended   chan struct{}   // closed by begin
	left    chan struct{}   // closed when the node has left raft
	closing <-chan struct{} // closed when Close begins
	down    func()          // ends Node.up
	tell    func(error)     // Config.Halted, or nil
	note    func(error)     // logs the cause
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
	h.transfer()
	_ = h.raft.Shutdown().Error()
	close(h.left)
	if h.tell != nil {
		h.tell(err)
	}
}

// transfer gives the leadership away. Raft answers within an election timeout, unless it loses the leadership or is shut down
// first: then it may never answer.
func (h *halt) transfer() {
	if h.raft.State() != raft.Leader {
		return
	}
	answered := make(chan struct{})
	go func() {
		_ = h.raft.LeadershipTransfer().Error()
		close(answered)
	}()
	select {
	case <-answered:
	case <-h.closing:
	case <-time.After(2 * h.raft.ReloadableConfig().ElectionTimeout):
	}
}

// wait blocks until a halted node has left raft.
func (h *halt) wait() {
	if h.err() != nil {
		<-h.left
	}
}

// A guardedLog is a raft.LogStore that a halted node neither cuts nor extends. An error of the log halts the node: what is on
// the disk is unknown then.
type guardedLog struct {
	raft.LogStore
	halt  *halt
	files *logFiles // nil: they are not raft-wal's
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
		return l.halt.begin(err)
	}
	return l.files.await()
}

// DeleteRange removes entries.
func (l *guardedLog) DeleteRange(low, high uint64) error {
	if err := l.halt.err(); err != nil {
		return err
	}
	if err := l.LogStore.DeleteRange(low, high); err != nil {
		return l.halt.begin(err)
	}
	return nil
}

// A guardedTerms is raft's term and vote. An error halts the node.
type guardedTerms struct {
	raft.StableStore
	halt *halt
}

// Set writes a value.
func (t *guardedTerms) Set(key, value []byte) error {
	if err := t.halt.err(); err != nil {
		return err
	}
	if err := t.StableStore.Set(key, value); err != nil {
		return t.halt.begin(err)
	}
	return nil
}

// SetUint64 writes a number. If it is the term, raft panics after an error. So there is none: the node has halted, and
// gives no vote, since that is written too, and takes no entry.
func (t *guardedTerms) SetUint64(key []byte, value uint64) error {
	err := t.halt.err()
	if err == nil {
		if err = t.StableStore.SetUint64(key, value); err != nil {
			err = t.halt.begin(err)
		}
	}
	if bytes.Equal(key, keyTerm) {
		return nil
	}
	return err
}
