package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store/raftstore"
	"allocstore/store/raftstore/rafthttp"
)

const (
	listenTime  = 1500 * time.Millisecond // for the leader of an older cluster to find the node
	retryPause  = 250 * time.Millisecond
	reportPause = 10 * time.Second // between two reports that the node cannot join yet
	joinTime    = 15 * time.Second // for an answer
	watchPause  = 500 * time.Millisecond
	watchTimes  = 10 // looks in a row before a node ends because it is no member
)

// errLost: the directory of a member is empty.
var errLost = errors.New("a cluster has this node as a member, and its directory was empty: its log and its vote are lost")

// lost returns errLost with the way out.
func (n *server) lost(reason error) error {
	return fmt.Errorf("%w: %w; remove the member by allocctl cluster leave --addr OTHER-NODE %s, remove the directory %s, "+
		"and start the node with --join", errLost, reason, n.address, n.o.node.dir)
}

// begin begins a new cluster, unless the node has one. A single first member waits a moment for a leader that knows it: its
// directory may have been lost, and a second cluster would take the name of the first.
func (n *server) begin(ctx context.Context) error {
	if !n.isNew {
		return nil
	}
	members, err := parseMembers(n.o.node.bootstrap, raftstore.Member{ID: n.id, Address: n.address, Voter: true})
	if err != nil {
		return err
	}
	if n.o.node.bootstrap == alone && !sleep(ctx, listenTime) {
		return nil
	}
	if leader, _ := n.Raft().LeaderWithID(); leader != "" && n.o.node.bootstrap == alone {
		return n.lost(fmt.Errorf("the leader is at %s", leader))
	}
	if err := n.Bootstrap(members...); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return err
	}
	return nil
}

// parseMembers parses the value of --bootstrap.
func parseMembers(list string, self raftstore.Member) (members []raftstore.Member, err error) {
	if list == alone {
		return []raftstore.Member{self}, nil
	}
	isFirst := false
	for _, item := range strings.Split(list, ",") {
		id, address, named := strings.Cut(item, "=")
		if !named {
			address = id
		}
		if id == "" || address == "" {
			return nil, usage("--bootstrap: %q: want ADDRESS or ID=ADDRESS", item)
		}
		m := raftstore.Member{ID: raft.ServerID(id), Address: raft.ServerAddress(address), Voter: true}
		members, isFirst = append(members, m), isFirst || m == self
	}
	if !isFirst {
		return nil, usage("--bootstrap: the list does not have this node, %s=%s", self.ID, self.Address)
	}
	return members, nil
}

// isMember reports whether the node knows itself as a member with this address.
func (n *server) isMember() bool {
	members, err := n.Members()
	for _, m := range members {
		if err == nil && m.ID == n.id && m.Address == n.address {
			return true
		}
	}
	return false
}

// enter asks the node at --join, again and again, until this node is a member. A member asks nothing. The change is committed
// when it is answered: the node does not wait to see it, or it would ask again after it was removed meanwhile.
func (n *server) enter(ctx context.Context) error {
	to, err := rafthttp.NewClient(addressOf(n.o.node.join), nil)
	if err != nil {
		return usage("--join %q: want something like localhost:4646", n.o.node.join)
	}
	j := rafthttp.Join{ID: n.id, Address: n.address, Nonvoter: n.o.node.nonvoter, New: n.isNew}
	var reported time.Time
	for !n.isMember() {
		err := n.ask(ctx, to, j)
		if err == nil {
			break
		}
		problem, _ := errors.AsType[*rafthttp.Problem](err)
		switch {
		case errors.Is(err, raftstore.ErrOutcomeUnknown):
			j.New = false // it may be a member by now
		case ctx.Err() != nil:
			return nil
		case problem != nil && problem.Kind == rafthttp.KindMember:
			return n.lost(err)
		}
		if time.Since(reported) > reportPause {
			n.log.Warn("cannot join yet", "node", n.o.node.join, "error", err)
			reported = time.Now()
		}
		if !sleep(ctx, retryPause) {
			return nil
		}
	}
	n.log.Info("a member of the cluster", "id", n.id, "address", n.address)
	return nil
}

func (n *server) ask(ctx context.Context, to *rafthttp.Client, j rafthttp.Join) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	return to.Join(ctx, j)
}

// watch returns an error when the node has been removed from its cluster. It looks several times: a change of the members that
// is not committed may be undone.
func (n *server) watch(ctx context.Context) error {
	for missing := 0; missing < watchTimes; {
		if !sleep(ctx, watchPause) {
			return nil
		}
		members, err := n.Members()
		switch {
		case n.Raft().State() == raft.Shutdown && err == nil:
			missing = watchTimes
		case err != nil || len(members) == 0 || n.isMemberOf(members):
			missing = 0
		default:
			missing++
		}
	}
	return fmt.Errorf("the node %s was removed from its cluster; with --join it joins again", n.id)
}

func (n *server) isMemberOf(members []raftstore.Member) bool {
	for _, m := range members {
		if m.ID == n.id {
			return true
		}
	}
	return false
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
