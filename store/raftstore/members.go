package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
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
// a node that belongs to a cluster it is raft.ErrCantBootstrap and changes nothing. All members begin with empty stores. After
// a call on one node alone, that one can lose its first leadership with entries of Apply that no other node has heard of. Then
// nothing was acknowledged, and no node is elected: remove the directories, and begin again. A call on all has no such case.
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

// Join adds a member, on any node. A member that is there gets the new address, and becomes a voter or a non-voter. The
// new node runs already, with an empty directory, and is brought up to date afterwards: a large store is best
// added as a non-voter, and once more as a voter when it has caught up, because a majority includes it from then on, and
// it does not vote before it has caught up.
// Join blocks until a majority has the change.
//
// Errors: store.ErrInvalid for an empty ID or address, the address of another member, and if no voter would be left; ErrNotLeader, as for Apply; ErrOutcomeUnknown: call Members, and repeat
// Join; ErrHalted; store.ErrClosed.
func (n *Node) Join(ctx context.Context, m Member) error {
	if m.ID == "" || m.Address == "" {
		return fmt.Errorf("join: %w: ID %q, address %q", store.ErrInvalid, m.ID, m.Address)
	}
	return n.changeAnywhere(ctx, &change{Kind: joins, Member: m})
}

// Leave removes a member, on any node. It may be a dead node, or the leader itself, which then steps down. A node with
// a lost directory is removed before it joins again. The errors are those of Join.
func (n *Node) Leave(ctx context.Context, id raft.ServerID) error {
	return n.changeAnywhere(ctx, &change{Kind: leaves, Member: Member{ID: id}})
}

// Transfer gives the leadership to a voter, or to the one that has most of the log if id is "". It works on any node, and blocks
// until the other one leads or an election timeout is over.
//
// Errors: store.ErrInvalid if id is no voter; ErrNotLeader; raft's if the voter does not take the leadership, after which this
// leader goes on; ErrOutcomeUnknown: see Raft().LeaderWithID; ctx's; ErrHalted; store.ErrClosed.
func (n *Node) Transfer(ctx context.Context, id raft.ServerID) error {
	err := n.anywhere(ctx, requestTransfer, []byte(id), func() error { return n.transfer(ctx, id) })
	if err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	return nil
}

// transferTimeout is the time after which raft has answered a transfer, or never will.
func (n *Node) transferTimeout() time.Duration { return 2 * n.raft.ReloadableConfig().ElectionTimeout }

// transfer gives the leadership away, as the leader.
func (n *Node) transfer(ctx context.Context, id raft.ServerID) error {
	begin := n.raft.LeadershipTransfer
	if id != "" {
		m, err := n.member(id)
		switch {
		case err != nil:
			return err
		case !m.Voter:
			return fmt.Errorf("%w: %q is no voter", store.ErrInvalid, id)
		case id == n.config.ID && n.raft.State() == raft.Leader:
			return nil
		}
		begin = func() raft.Future { return n.raft.LeadershipTransferToServer(id, m.Address) }
	}
	answered := make(chan error, 1)
	go func() { answered <- begin().Error() }()
	select {
	case err := <-answered:
		if errors.Is(err, raft.ErrNotLeader) {
			err = proposalError(err)
		}
		return err
	case <-time.After(n.transferTimeout()):
		return fmt.Errorf("%w: raft has not answered", ErrOutcomeUnknown)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	case <-n.up.Done():
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, n.available())
	}
}

// anywhere does something as the leader, or sends a request for it to the leader, whose answer has no content.
func (n *Node) anywhere(ctx context.Context, kind byte, request []byte, do func() error) error {
	if err := errors.Join(ctx.Err(), n.available()); err != nil {
		return err
	}
	if n.raft.State() == raft.Leader {
		if err := do(); !errors.Is(err, ErrNotLeader) {
			return err
		}
	}
	answer, err := n.forward(ctx, kind, request)
	if err == nil {
		_, err = decodeIndex(answer)
	}
	return err
}

// Kinds of changes.
const (
	joins  = "join"
	leaves = "leave"
)

// A change is a request to the leader to change the members. It travels as JSON.
type change struct {
	Kind   string
	Member Member
}

// changeAnywhere changes the members here, or on the leader.
func (n *Node) changeAnywhere(ctx context.Context, c *change) error {
	request, err := json.Marshal(c)
	if err == nil {
		err = n.anywhere(ctx, requestChange, request, func() error { return n.change(ctx, c) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Kind, err)
	}
	return nil
}

// handleChange changes the members for another node.
func (n *Node) handleChange(ctx context.Context, request []byte) error {
	c := new(change)
	if err := json.Unmarshal(request, c); err != nil {
		return fmt.Errorf("%w: a change of the members: %w", store.ErrInvalid, err)
	}
	return n.change(ctx, c)
}

// change changes the members, as the leader.
func (n *Node) change(ctx context.Context, c *change) error {
	var timeout time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 1)
	}
	begin, err := n.changer(c, timeout)
	if err != nil {
		return err
	}
	changed := make(chan error, 1)
	go func() { changed <- begin().Error() }()
	select {
	case err := <-changed:
		if err != nil {
			return proposalError(err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	case <-n.up.Done():
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, n.available())
	}
}

// changer returns the call of raft for a change.
func (n *Node) changer(c *change, timeout time.Duration) (func() raft.IndexFuture, error) {
	m := &c.Member
	all, err := n.Members()
	if err == nil {
		err = c.check(all)
	}
	if err != nil {
		return nil, err
	}
	was := memberOf(all, m.ID)
	switch {
	case c.Kind == joins && m.Voter:
		return func() raft.IndexFuture { return n.raft.AddVoter(m.ID, m.Address, 0, timeout) }, nil
	case c.Kind == joins && was.Voter: // AddNonvoter gives it its address, and leaves it its vote
		return func() raft.IndexFuture {
			if m.Address != was.Address {
				if f := n.raft.AddNonvoter(m.ID, m.Address, 0, timeout); f.Error() != nil {
					return f
				}
			}
			return n.raft.DemoteVoter(m.ID, 0, timeout)
		}, nil
	case c.Kind == joins:
		return func() raft.IndexFuture { return n.raft.AddNonvoter(m.ID, m.Address, 0, timeout) }, nil
	default:
		return func() raft.IndexFuture { return n.raft.RemoveServer(m.ID, 0, timeout) }, nil
	}
}

// check returns an error for a change of these members that raft would refuse: it has no errors that say so.
func (c *change) check(all []Member) error {
	m := &c.Member
	voters := 0
	for _, other := range all {
		switch {
		case other.ID == m.ID:
		case c.Kind == joins && other.Address == m.Address:
			return fmt.Errorf("%w: the address %s belongs to %q", store.ErrInvalid, m.Address, other.ID)
		case other.Voter:
			voters++
		}
	}
	switch {
	case c.Kind != joins && c.Kind != leaves:
		return fmt.Errorf("%w: a change %q", store.ErrInvalid, c.Kind)
	case c.Kind == joins && (m.ID == "" || m.Address == ""):
		return fmt.Errorf("%w: ID %q, address %q", store.ErrInvalid, m.ID, m.Address)
	case voters == 0 && (c.Kind == leaves || !m.Voter):
		return fmt.Errorf("%w: no voter would be left", store.ErrInvalid)
	}
	return nil
}

// member returns a member, or the zero Member.
func (n *Node) member(id raft.ServerID) (Member, error) {
	all, err := n.Members()
	return memberOf(all, id), err
}

func memberOf(all []Member, id raft.ServerID) Member {
	if i := slices.IndexFunc(all, func(m Member) bool { return m.ID == id }); i >= 0 {
		return all[i]
	}
	return Member{}
}
