package raftstore

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// A halt is the end of a node whose store cannot apply an entry. Raft has no error of an FSM: it would lead on, take
// a snapshot under an index that the store does not have, and cut the log. So from the first error on
// the FSM applies and answers nothing, the log is neither cut nor extended, and the node leaves raft.
type halt struct {
	cause   atomic.Pointer[error] // an ErrHalted; set once
	once    sync.Once
	raft    *raft.Raft      // set before started is closed
	started chan struct{}   // closed when raft has started
	left    chan struct{}   // closed when the node has left raft
	down    func()          // ends Node.up
	closing <-chan struct{} // closed when Node.Close begins
	restore sync.Mutex      // held while raft restores: it panics if it stops meanwhile
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
		return h.raft.State() == raft.Follower
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

// errLost: this node has an operator's restore that no majority has. Its leader lost the leadership
// before, and the cluster has gone on without it, at lower indexes.
var errLost = errors.New("the node has content that the cluster has not kept")

// A guardedLog is a raft.LogStore that a halted node neither cuts nor extends.
type guardedLog struct {
	raft.LogStore
	halt *halt
	base *atomic.Uint64 // index of the newest snapshot

	missed atomic.Int64 // reads below the base since entries were stored
}

// maxMissed is the number of reads below the newest snapshot that a follower takes for delayed messages.
const maxMissed = 8

// GetLog reads an entry. A leader looks below a follower's snapshot for the place where their logs are equal only if
// the follower's snapshot is not that of the cluster: see errLost.
func (l *guardedLog) GetLog(index uint64, log *raft.Log) error {
	err := readEntry(l.LogStore, index, log)
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		return l.fail(err)
	}
	if base := l.base.Load(); errors.Is(err, raft.ErrLogNotFound) && index < base && l.halt.follows() && l.missed.Add(1) > maxMissed {
		return l.halt.begin(fmt.Errorf("%w: it looks for entry %d, and the snapshot is at %d", errLost, index, base))
	}
	return err
}

// readEntry reads an entry and verifies it. Damaged bytes make raft-wal panic.
func readEntry(from raft.LogStore, index uint64, log *raft.Log) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: log entry %d: %v", store.ErrCorrupt, index, p)
		}
	}()
	if err := from.GetLog(index, log); err != nil {
		return err
	}
	if log.Index != index {
		return fmt.Errorf("%w: log entry %d has index %d", store.ErrCorrupt, index, log.Index)
	}
	return checkEntry(log)
}

// checkEntry returns an error for an entry that makes raft panic, or is damaged. Whether this release knows the command is
// found out when it is applied.
func checkEntry(log *raft.Log) (err error) {
	switch log.Type {
	case raft.LogCommand:
		_, err = cutSum(log.Data)
	case raft.LogConfiguration:
		_, err = decodeMembers(log.Data)
	case raft.LogNoop, raft.LogBarrier:
	default:
		err = fmt.Errorf("%w: type %d", store.ErrCorrupt, log.Type)
	}
	if err != nil {
		return fmt.Errorf("log entry %d: %w", log.Index, err)
	}
	return nil
}

// decodeMembers decodes raft's members. Raft's own decoder panics.
func decodeMembers(data []byte) (c raft.Configuration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: members: %v", store.ErrCorrupt, p)
		}
	}()
	return raft.DecodeConfiguration(data), nil
}

// fail halts the node, because an entry cannot be read. Raft panics if it cannot read an entry that is committed, and ends the
// process; so the goroutine of raft ends here instead. Nothing waits for it, apart from Shutdown: its deferred functions run.
// Before raft has started, Open has read every entry.
func (l *guardedLog) fail(err error) error {
	err = l.halt.begin(fmt.Errorf("the log cannot be read: %w", err))
	select {
	case <-l.halt.started:
		runtime.Goexit()
	default:
	}
	return err
}

// IsMonotonic says that the log has no gaps, as a raft.MonotonicLogStore.
func (l *guardedLog) IsMonotonic() bool {
	m, ok := l.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}

// StoreLog is StoreLogs of one entry.
func (l *guardedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries. Entries up to the newest snapshot are committed, and never come again, unless the cluster
// has gone on without the snapshot: see errLost. A log that has failed once takes no more entries until it is opened again, and raft
// would have the node be elected and fail in turns.
func (l *guardedLog) StoreLogs(logs []*raft.Log) error {
	if err := l.halt.err(); err != nil {
		return err
	}
	if base := l.base.Load(); len(logs) > 0 && logs[0].Index <= base {
		return l.halt.begin(fmt.Errorf("%w: it has another entry %d, and the snapshot is at %d", errLost, logs[0].Index, base))
	}
	if err := l.check(logs); err != nil {
		return err
	}
	l.missed.Store(0)
	if err := l.LogStore.StoreLogs(logs); err != nil {
		return l.halt.begin(fmt.Errorf("the log cannot be extended: %w", err))
	}
	return nil
}

// check returns why entries cannot be appended: the network may have changed them.
func (l *guardedLog) check(logs []*raft.Log) error {
	last, err := l.LogStore.LastIndex()
	if err != nil {
		return l.halt.begin(fmt.Errorf("the log cannot be read: %w", err))
	}
	for _, log := range logs {
		if last > 0 && log.Index != last+1 {
			return fmt.Errorf("%w: log entry %d after %d", store.ErrCorrupt, log.Index, last)
		}
		if err := checkEntry(log); err != nil {
			return err
		}
		last = log.Index
	}
	return nil
}

// DeleteRange removes entries.
func (l *guardedLog) DeleteRange(low, high uint64) error {
	if err := l.halt.err(); err != nil {
		return err
	}
	return l.LogStore.DeleteRange(low, high)
}
