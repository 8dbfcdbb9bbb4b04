package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// Consistency says how fresh the reads after a Read are.
type Consistency int

const (
	// Stale reads show the entries that this node has applied, however long ago it last heard of the leader.
	Stale Consistency = iota

	// Leader reads show every batch that was answered before the Read began, as long as clocks run at about the
	// same speed, no process is paused, the log's disk does not hold raft up for as long as an election takes, and no
	// transfer of the leadership is under way: a leader that has heard of a majority within
	// raft.Config.LeaderLeaseTimeout believes that it is the only one. It costs no message of its own.
	Leader

	// Linearizable reads show every batch that was answered before the Read began. The leader asks a majority whether
	// it still leads, once for all reads that wait for it. No clock matters.
	Linearizable
)

// ReadInfo describes the state of a node as of a Read.
type ReadInfo struct {
	// Index is the index up to which the store shows the log: all reads that begin after the Read show at least it.
	Index uint64

	// LastContact is the time since this node last heard of the leader. It is 0 on the leader, and below 0 if the
	// node has not heard of any.
	LastContact time.Duration

	// KnownLeader says whether the node knows a leader.
	KnownLeader bool
}

// Read waits until reads of Store are as fresh as asked, on any node, and returns how fresh that is. A follower asks
// the leader for the index, and waits until it has applied it.
//
// Errors: ErrNotLeader if there is no leader, it cannot be reached, or Config.Forward is nil on a follower; ctx's error;
// ErrHalted; store.ErrClosed; store.ErrInvalid for another Consistency. Stale never blocks.
func (n *Node) Read(ctx context.Context, c Consistency) (ReadInfo, error) {
	if err := errors.Join(ctx.Err(), n.available()); err != nil {
		return ReadInfo{}, err
	}
	switch c {
	case Stale:
		return n.readInfo(), nil
	case Leader, Linearizable:
	default:
		return ReadInfo{}, fmt.Errorf("%w: Consistency %d", store.ErrInvalid, c)
	}
	at, err := n.readIndexAnywhere(ctx, c == Linearizable)
	if err != nil {
		return ReadInfo{}, err
	}
	if err := n.show(ctx, at); err != nil {
		return ReadInfo{}, err
	}
	return n.readInfo(), nil
}

// readInfo returns the state of this node.
func (n *Node) readInfo() ReadInfo {
	leader, _ := n.raft.LeaderWithID()
	i := ReadInfo{Index: n.store.AppliedIndex(), KnownLeader: leader != "", LastContact: -1}
	if n.raft.State() == raft.Leader {
		i.LastContact = 0
	} else if last := n.raft.LastContact(); !last.IsZero() {
		i.LastContact = max(time.Since(last), 0)
	}
	return i
}

// readIndexAnywhere returns the index of a read, from this node or the leader.
func (n *Node) readIndexAnywhere(ctx context.Context, verify bool) (uint64, error) {
	if n.raft.State() == raft.Leader {
		at, err := n.readIndex(ctx, verify)
		if !errors.Is(err, ErrNotLeader) {
			return at, err
		}
	}
	kind := byte(requestLease)
	if verify {
		kind = requestVerify
	}
	answer, err := n.forward(ctx, kind, nil)
	if err == nil {
		var at uint64
		if at, err = decodeIndex(answer); err == nil {
			return at, nil
		}
	}
	if errors.Is(err, ErrOutcomeUnknown) && ctx.Err() == nil {
		err = fmt.Errorf("%w: %s", ErrNotLeader, err.Error()) // a read changes nothing
	}
	return 0, err
}

// readIndex returns, as the leader, an index such that a store which shows it shows all batches that were answered
// before the call. The index is taken first, and the leadership is verified afterwards, in the same term.
func (n *Node) readIndex(ctx context.Context, verify bool) (uint64, error) {
	term := n.raft.CurrentTerm()
	if n.raft.State() != raft.Leader {
		return 0, fmt.Errorf("%w: this node follows", ErrNotLeader)
	}
	if err := n.finishTerms(ctx, term); err != nil {
		return 0, err
	}
	at, err := n.lastShown(n.raft.CommitIndex())
	if err == nil && verify {
		err = n.verify(ctx, term)
	}
	if err != nil {
		return 0, err
	}
	if n.raft.State() != raft.Leader || n.raft.CurrentTerm() != term {
		return 0, fmt.Errorf("%w: the leadership was lost", ErrNotLeader)
	}
	return at, nil
}

// finishTerms waits until an entry of the term is applied. Before that the leader does not know which entries of
// earlier terms are committed.
func (n *Node) finishTerms(ctx context.Context, term uint64) error {
	if n.fsm.shown.Load().term == term {
		return nil
	}
	if _, err := n.propose(ctx, &entry{}); errors.Is(err, ErrOutcomeUnknown) && ctx.Err() == nil && n.available() == nil {
		return fmt.Errorf("%w: %s", ErrNotLeader, err.Error())
	} else if err != nil {
		return err
	}
	return nil
}

// lastShown returns the last entry, up to a committed index, that stores apply. Entries of raft's own are applied by no
// store: a wait for one of them might never end.
func (n *Node) lastShown(committed uint64) (uint64, error) {
	given := n.fsm.shown.Load().index
	for i := committed; i > given; i-- {
		var log raft.Log
		err := readEntry(n.wal, i, &log)
		if errors.Is(err, raft.ErrLogNotFound) { // cut: what was there is applied, or raft's own
			return n.fsm.shown.Load().index, nil
		}
		if err != nil {
			return 0, fmt.Errorf("log entry %d: %w", i, err)
		}
		if log.Type == raft.LogCommand || log.Type == raft.LogConfiguration {
			return i, nil
		}
	}
	return given, nil
}
