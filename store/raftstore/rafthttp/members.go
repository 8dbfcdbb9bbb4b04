package rafthttp

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store/httpapi"
	"allocstore/store/raftstore"
)

const (
	statusPath = ownPaths + "status"
	joinPath   = ownPaths + "join"
)

// statusTime bounds the questions to the other members.
const statusTime = 2 * time.Second

// showTime bounds the wait of a node for a change that it has forwarded.
const showTime = time.Second

// maxJoinBytes bounds the body of a join.
const maxJoinBytes = 4 << 10

// leader answers with the leader's address. Without stale there must be one.
func (h *handler) leader(w http.ResponseWriter, r *http.Request) error {
	if err := h.current(w, r); err != nil {
		return err
	}
	address, _ := h.node.Raft().LeaderWithID()
	writeJSON(w, http.StatusOK, address)
	return nil
}

// peers answers with the addresses of the members.
func (h *handler) peers(w http.ResponseWriter, r *http.Request) error {
	if err := h.current(w, r); err != nil {
		return err
	}
	members, err := h.node.Members()
	if err != nil {
		return err
	}
	addresses := []raft.ServerAddress{}
	for _, m := range members {
		addresses = append(addresses, m.Address)
	}
	writeJSON(w, http.StatusOK, addresses)
	return nil
}

// A raftServer is a member, with the fields of Nomad's answer.
type raftServer struct {
	ID           raft.ServerID
	Node         string
	Address      raft.ServerAddress
	Leader       bool
	Voter        bool
	RaftProtocol string
}

// configuration answers with the members.
func (h *handler) configuration(w http.ResponseWriter, r *http.Request) error {
	if err := h.current(w, r); err != nil {
		return err
	}
	f := h.node.Raft().GetConfiguration()
	if err := f.Error(); err != nil {
		return err
	}
	members, err := h.node.Members()
	if err != nil {
		return err
	}
	_, leader := h.node.Raft().LeaderWithID()
	answer := struct {
		Index   uint64
		Servers []raftServer
	}{f.Index(), []raftServer{}}
	for _, m := range members {
		answer.Servers = append(answer.Servers, raftServer{
			m.ID, string(m.ID), m.Address, m.ID == leader, m.Voter, strconv.Itoa(int(raft.ProtocolVersionMax)),
		})
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// status answers with the status of each member.
func (h *handler) status(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), statusTime)
	defer cancel()
	all, err := h.node.Status(ctx)
	if err != nil {
		return err
	}
	_, leader := h.node.Raft().LeaderWithID()
	contact, err := h.fresh(r.Context(), httpapi.Stale)
	if err != nil {
		return err
	}
	contact.SetHeader(w.Header())
	h.setIndex(w)
	writeJSON(w, http.StatusOK, Status{Leader: leader, Members: all})
	return nil
}

// A Status has the members of a cluster, and their leader as the node that was asked knows it; "" is no leader.
type Status struct {
	Leader  raft.ServerID
	Members []raftstore.NodeStatus
}

// A Join asks for a member.
type Join struct {
	ID      raft.ServerID
	Address raft.ServerAddress

	// Nonvoter adds a member without a vote.
	Nonvoter bool

	// New says that the node has an empty directory. Then neither the ID nor the address may belong to a member: that member
	// has lost its vote and its log, and is removed first.
	New bool
}

// join adds a member, which answers at its address already. It needs Config.Forward.
func (h *handler) join(w http.ResponseWriter, r *http.Request) error {
	var j Join
	d := json.NewDecoder(newBody(w, r, maxJoinBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return problem(KindInvalid, "body of a join: %v", err)
	}
	if j.ID == "" || j.Address == "" {
		return problem(KindInvalid, "a join needs an ID and an Address")
	}
	ctx, cancel := h.forWrite(r)
	defer cancel()
	if _, err := h.fresh(ctx, httpapi.Consistent); err != nil {
		return err
	}
	members, err := h.node.Members()
	if err != nil {
		return err
	}
	for _, m := range members {
		switch {
		case m.ID != j.ID && m.Address == j.Address:
			return problem(KindMember, "the address %s belongs to the member %s: if that node is lost, remove it first", m.Address, m.ID)
		case m.ID == j.ID && j.New:
			return problem(KindMember, "%s is a member already, at %s: if its directory is lost, remove it first", m.ID, m.Address)
		}
	}
	m := raftstore.Member{ID: j.ID, Address: j.Address, Voter: !j.Nonvoter}
	if err := h.reach(ctx, m); err != nil {
		return err
	}
	if err := held(ctx, h.opts.Hold, func() error { return h.node.Join(ctx, m) }); err != nil {
		return err
	}
	h.show(ctx)
	h.setIndex(w)
	writeJSON(w, http.StatusOK, j)
	return nil
}

// reach returns a problem unless the node answers at its address: a voter that cannot be reached counts for majorities.
func (h *handler) reach(ctx context.Context, m raftstore.Member) error {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	if s := h.node.StatusOf(ctx, m); s.Failure != "" {
		return problem(KindUnreachable, "%s cannot be reached at %s: %s", m.ID, m.Address, s.Failure)
	}
	return nil
}

// forWrite returns a context that ends after the timeout, and not when the client hangs up: then the outcome would be
// unknown more often.
func (h *handler) forWrite(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), h.opts.Timeout)
}

// show waits until this node knows the members after a change. A node that has removed itself is not told any more.
func (h *handler) show(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, showTime)
	defer cancel()
	_, _ = h.fresh(ctx, httpapi.Consistent) // the change is done in any case
}

// named returns the member that the parameters id or address name, or the zero one if neither is given.
func (h *handler) named(r *http.Request) (m raftstore.Member, err error) {
	values, err := parameters(r)
	if err != nil {
		return m, err
	}
	id, address := values.Get("id"), values.Get("address")
	if id != "" && address != "" {
		return m, problem(KindInvalid, "give id or address, not both")
	}
	members, err := h.node.Members()
	if err != nil || id == "" && address == "" {
		return m, err
	}
	for _, m := range members {
		if id != "" && string(m.ID) == id || address != "" && string(m.Address) == address {
			return m, nil
		}
	}
	return m, problem(KindNotFound, "no member has the id or address %.128q", id+address)
}

// removePeer removes a member.
func (h *handler) removePeer(w http.ResponseWriter, r *http.Request) error {
	m, err := h.named(r)
	if err != nil {
		return err
	}
	if m.ID == "" {
		return problem(KindInvalid, "give the id or the address of the member to remove")
	}
	ctx, cancel := h.forWrite(r)
	defer cancel()
	if err := held(ctx, h.opts.Hold, func() error { return h.node.Leave(ctx, m.ID) }); err != nil {
		return err
	}
	h.show(ctx)
	h.setIndex(w)
	return nil
}

// transferLeadership gives the leadership away.
func (h *handler) transferLeadership(w http.ResponseWriter, r *http.Request) error {
	m, err := h.named(r)
	if err != nil {
		return err
	}
	if m.ID != "" && !m.Voter {
		return problem(KindInvalid, "%s does not vote, and cannot lead", m.ID)
	}
	ctx, cancel := h.forWrite(r)
	defer cancel()
	if err := held(ctx, h.opts.Hold, func() error { return h.node.Transfer(ctx, m.ID) }); err != nil {
		return err
	}
	h.setIndex(w)
	return nil
}
