package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// Kinds of requests to the leader, and one to any node. The first byte of a request is its kind.
const (
	requestPropose  = iota + 1 // an entry
	requestLease               // the index of a read under the leader's lease
	requestVerify              // the index of a linearizable read
	requestChange              // a change of the members
	requestTerm                // the term of this node, which may follow; with its ID
	requestTransfer            // the ID of the next leader, or ""
)

// forward sends a request to the leader, and returns the answer.
func (n *Node) forward(ctx context.Context, kind byte, payload []byte) ([]byte, error) {
	leader, id := n.raft.LeaderWithID()
	switch {
	case leader == "":
		return nil, fmt.Errorf("%w: no leader is known", ErrNotLeader)
	case n.config.Forward == nil:
		return nil, fmt.Errorf("%w: the leader is %s at %s, and Config.Forward is nil", ErrNotLeader, id, leader)
	case id == n.config.ID:
		return nil, fmt.Errorf("%w: this node has just become it or lost it", ErrNotLeader)
	}
	ctx, cancel := n.whileAnswers(ctx, kind, id)
	defer cancel()
	answer, err := n.config.Forward(ctx, leader, append([]byte{kind}, payload...))
	switch {
	case err == nil || errors.Is(err, ErrNotLeader):
		return answer, err
	case context.Cause(ctx) == errLeaderChanged:
		err = errLeaderChanged
	}
	return nil, fmt.Errorf("%w: forward to %s at %s: %w", ErrOutcomeUnknown, id, leader, err)
}

// leaderCheck is the time between two looks whether the leader of a request is still the leader.
const leaderCheck = 100 * time.Millisecond

var errLeaderChanged = errors.New("the node has lost the leader, or has another one")

// whileAnswers returns a context that ends when the leader will not answer any more.
func (n *Node) whileAnswers(ctx context.Context, kind byte, leader raft.ServerID) (context.Context, context.CancelFunc) {
	if kind != requestTransfer {
		return n.whileLeads(ctx, leader)
	}
	ctx, cancel := n.whileUp(ctx) // the leader answers when it leads no more
	ctx, end := context.WithTimeout(ctx, 2*n.transferTimeout())
	return ctx, func() { end(); cancel() }
}

// whileLeads returns a context that also ends when the node halts, is closed, or knows that the leader leads no more: a
// leader that is cut off never answers, and its connection may stay open for minutes.
func (n *Node) whileLeads(ctx context.Context, leader raft.ServerID) (context.Context, context.CancelFunc) {
	up, cancel := n.whileUp(ctx)
	ctx, end := context.WithCancelCause(up)
	var mu sync.Mutex // guards look
	var look *time.Timer
	mu.Lock()
	defer mu.Unlock()
	look = time.AfterFunc(leaderCheck, func() {
		mu.Lock()
		defer mu.Unlock()
		if _, id := n.raft.LeaderWithID(); id != leader {
			end(errLeaderChanged)
		} else if ctx.Err() == nil {
			look.Reset(leaderCheck)
		}
	})
	return ctx, func() {
		end(nil)
		mu.Lock()
		look.Stop()
		mu.Unlock()
		cancel()
	}
}

// Handle is the other end of Config.Forward: it takes a request of another node, and returns the answer. Every outcome,
// errors included, is an answer. It blocks for as long as the request needs. The error is store.ErrClosed, or
// ErrHalted: then the request has not been looked at. The caller must not change the request until Handle returns.
func (n *Node) Handle(ctx context.Context, request []byte) ([]byte, error) {
	if err := n.available(); err != nil {
		return nil, err
	}
	if len(request) == 0 {
		return appendFailure(nil, fmt.Errorf("%w: an empty request", store.ErrInvalid)), nil
	}
	switch kind, payload := request[0], request[1:]; kind {
	case requestPropose:
		return n.handlePropose(ctx, payload), nil
	case requestLease, requestVerify:
		at, err := n.readIndex(ctx, kind == requestVerify)
		return answerOf(at, err), nil
	case requestChange:
		return answerOf(0, n.handleChange(ctx, payload)), nil
	case requestTransfer:
		return answerOf(0, n.transfer(ctx, raft.ServerID(payload))), nil
	case requestStatus:
		return n.handleStatus()
	case requestTerm:
		return answerOf(n.ownTerm(raft.ServerID(payload))), nil
	default:
		return appendFailure(nil, fmt.Errorf("%w: request of kind %d", store.ErrFormatVersion, kind)), nil
	}
}

// answerOf returns the answer to a request that has an index or an error.
func answerOf(index uint64, err error) []byte {
	if err != nil {
		return appendFailure(nil, err)
	}
	return appendIndex(index)
}

// handlePropose proposes an entry of another node. An entry that this node cannot decode is refused: in the log it would
// halt all nodes.
func (n *Node) handlePropose(ctx context.Context, payload []byte) []byte {
	e, err := decodeEntry(payload)
	if err == nil && (e.mark || e.audit != nil) {
		err = fmt.Errorf("%w: a mark or an audit was forwarded", store.ErrInvalid)
	}
	if err == nil {
		_, err = e.entryAt(1)
	}
	if err != nil {
		return appendFailure(nil, err)
	}
	o, err := n.propose(ctx, &e)
	if err != nil {
		return appendFailure(nil, err)
	}
	return appendOutcome(nil, &o)
}
