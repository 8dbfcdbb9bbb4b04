package raftstore

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// errLost: this node has an operator's restore that no majority has. Its leader lost the leadership
// before, and the cluster has gone on without it, at lower indexes.
var errLost = errors.New("the node has content that the cluster has not kept")

// A guardedLog is a raft.LogStore that a halted node neither cuts nor extends. Its first error in doing so halts the node: the
// content of the disk is unknown then.
type guardedLog struct {
	raft.LogStore
	halt  *halt
	files *logFiles
	base  *atomic.Uint64 // index of the newest snapshot

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
// has gone on without the snapshot: see errLost. A log that has failed takes no entry until it is opened again.
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
		return l.halt.begin(fmt.Errorf("append to the log: %w", err))
	}
	return l.files.await()
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
	if err := l.LogStore.DeleteRange(low, high); err != nil {
		return l.halt.begin(fmt.Errorf("cut the log: %w", err))
	}
	return nil
}

// guardedTerms are raft's term and vote. The first error halts the node, which then gives no vote and takes no entry.
type guardedTerms struct {
	raft.StableStore
	halt *halt
}

// Set writes a value, which is a part of a vote.
func (t *guardedTerms) Set(key, value []byte) error {
	if err := t.halt.err(); err != nil {
		return err
	}
	return t.failed(t.StableStore.Set(key, value))
}

// SetUint64 writes a number: the term, or a part of a vote. After an error of the term raft panics. So it gets no
// error: the node has halted, and may forget the term.
func (t *guardedTerms) SetUint64(key []byte, value uint64) error {
	err := t.halt.err()
	if err == nil {
		err = t.failed(t.StableStore.SetUint64(key, value))
	}
	if bytes.Equal(key, keyTerm) {
		return nil
	}
	return err
}

func (t *guardedTerms) failed(err error) error {
	if err == nil {
		return nil
	}
	return t.halt.begin(fmt.Errorf("write the term or the vote: %w", err))
}
