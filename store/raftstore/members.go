package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// A Member is a node of the cluster.
type Member struct {
	ID      raft.ServerID
	Address raft.ServerAddress

	// Voter says whether the member votes, and counts for the majority. Others get the log, serve reads and forward
	// writes.
	Voter bool
}

// Bootstrap begins a new cluster with these members. Call it once, on one node, or on all of them with the same members; on
// a node that belongs to a cluster it is raft.ErrCantBootstrap and changes nothing. All members begin with empty stores.
func (n *Node) Bootstrap(members ...Member) error {
	if err := n.available(); err != nil {
		return err
	}
	var c raft.Configuration
	for _, m := range members {
		c.Servers = append(c.Servers, m.server())
	}
	if err := n.raft.BootstrapCluster(c).Error(); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if err := n.newcomer.finish(); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

func (m *Member) server() raft.Server {
	s := raft.Server{Suffrage: raft.Nonvoter, ID: m.ID, Address: m.Address}
	if m.Voter {
		s.Suffrage = raft.Voter
	}
	return s
}

// Members returns the members as this node knows them. The latest change may not be committed.
func (n *Node) Members() ([]Member, error) {
	if err := n.available(); err != nil {
		return nil, err
	}
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, err
	}
	var all []Member
	for _, s := range f.Configuration().Servers {
		all = append(all, Member{s.ID, s.Address, s.Suffrage == raft.Voter})
	}
	return all, nil
}

// Join adds a member, on the leader. A member that is there gets the new address, and becomes a voter or a non-voter. The
// new node runs already, with an empty directory, and is brought up to date afterwards: a large store is best
// added as a non-voter, and once more as a voter when it has caught up, because a majority includes it from then on, and
// it does not vote before it has caught up.
// Join blocks until a majority has the change.
//
// Errors: ErrNotLeader; ErrOutcomeUnknown: call Members, and repeat Join; ErrHalted; store.ErrClosed.
func (n *Node) Join(ctx context.Context, m Member) error {
	return n.change(ctx, "join", func(timeout time.Duration) raft.IndexFuture {
		if m.Voter {
			return n.raft.AddVoter(m.ID, m.Address, 0, timeout)
		}
		return n.joinNonvoter(m, timeout)
	})
}

// joinNonvoter adds a member without a vote, or takes its vote away.
func (n *Node) joinNonvoter(m Member, timeout time.Duration) raft.IndexFuture {
	if all, err := n.Members(); err == nil {
		for _, was := range all {
			if was.ID == m.ID && was.Voter {
				return n.raft.DemoteVoter(m.ID, 0, timeout)
			}
		}
	}
	return n.raft.AddNonvoter(m.ID, m.Address, 0, timeout)
}

// Leave removes a member, on the leader. It may be a dead node, or the leader itself, which then steps down. A node with
// a lost directory is removed before it joins again. The errors are those of Join.
func (n *Node) Leave(ctx context.Context, id raft.ServerID) error {
	return n.change(ctx, "leave", func(timeout time.Duration) raft.IndexFuture {
		return n.raft.RemoveServer(id, 0, timeout)
	})
}

// change changes the members.
func (n *Node) change(ctx context.Context, what string, begin func(time.Duration) raft.IndexFuture) error {
	if err := errors.Join(ctx.Err(), n.available()); err != nil {
		return err
	}
	var timeout time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 1)
	}
	changed := make(chan error, 1)
	go func() { changed <- begin(timeout).Error() }()
	select {
	case err := <-changed:
		if err != nil {
			return fmt.Errorf("%s: %w", what, proposalError(err))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w: %w", what, ErrOutcomeUnknown, ctx.Err())
	case <-n.up.Done():
		return fmt.Errorf("%s: %w: %w", what, ErrOutcomeUnknown, n.available())
	}
}
