package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// requestStatus asks a node, which need not be the leader, for its own NodeStatus.
const requestStatus = 's'

// maxRemoteText bounds the texts of other nodes.
const maxRemoteText = 1 << 10

// A NodeStatus describes a node as it sees itself.
type NodeStatus struct {
	Member

	// State is raft's: Follower, Candidate, Leader or Shutdown.
	State string

	Term          uint64
	LastIndex     uint64 // the last entry of its log
	CommitIndex   uint64
	AppliedIndex  uint64 // of its store
	SnapshotIndex uint64 // the log may begin after it

	// LastContact is that of ReadInfo.
	LastContact time.Duration

	// Failure says why the node did not answer, "" if it did. After a failure State and the fields after it are zero.
	Failure string
}

// Status asks all members for their status, in the order of Members. A member that does not answer until ctx ends has a
// Failure. Without Config.Forward only this node has an answer. The errors are those of Members.
func (n *Node) Status(ctx context.Context) ([]NodeStatus, error) {
	members, err := n.Members()
	if err != nil {
		return nil, err
	}
	all := make([]NodeStatus, len(members))
	var tasks sync.WaitGroup
	for i, m := range members {
		tasks.Go(func() { all[i] = n.StatusOf(ctx, m) })
	}
	tasks.Wait()
	return all, nil
}

// StatusOf asks one node, which need not be a member: for example, whether a node that wants to join can be reached. It
// blocks until the node answers or ctx ends.
func (n *Node) StatusOf(ctx context.Context, m Member) NodeStatus {
	if m.ID == n.config.ID {
		s := n.ownStatus()
		s.Member = m
		return s
	}
	s, err := n.askStatus(ctx, m.Address)
	if err == nil && s.ID != m.ID {
		err = fmt.Errorf("node %.64q answers at this address", s.ID)
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), ErrNotLeader.Error()+": ") // it was not asked as the leader
		s = NodeStatus{Failure: text[:min(len(text), maxRemoteText)]}
	}
	s.Member = m
	return s
}

// askStatus asks the node at an address.
func (n *Node) askStatus(ctx context.Context, at raft.ServerAddress) (s NodeStatus, err error) {
	if n.config.Forward == nil {
		return s, errors.New("no Config.Forward")
	}
	answer, err := n.config.Forward(ctx, at, []byte{requestStatus})
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		return NodeStatus{}, fmt.Errorf("the answer is no status: %w", err)
	}
	if len(s.State) > maxRemoteText || s.Failure != "" {
		return NodeStatus{}, errors.New("the answer is no status")
	}
	return s, nil
}

// ownStatus returns the status of this node.
func (n *Node) ownStatus() NodeStatus {
	s := NodeStatus{
		Member:       Member{ID: n.config.ID, Address: n.config.Transport.LocalAddr()},
		State:        n.raft.State().String(),
		Term:         n.raft.CurrentTerm(),
		LastIndex:    n.raft.LastIndex(),
		CommitIndex:  n.raft.CommitIndex(),
		AppliedIndex: n.store.AppliedIndex(),
		LastContact:  n.readInfo().LastContact,
	}
	n.fsm.mu.Lock()
	s.SnapshotIndex = n.fsm.mu.meta.Index
	n.fsm.mu.Unlock()
	return s
}

// handleStatus answers a requestStatus.
func (n *Node) handleStatus() ([]byte, error) { return json.Marshal(n.ownStatus()) }
