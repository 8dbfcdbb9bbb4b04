package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"allocstore/schema"
)

// Names of the systems.
const (
	ours  = "allocstore"
	memDB = "go-memdb"
	etcd  = "etcd"
)

// A system is a cluster of nodes in this process, which keep the same allocations. Nodes are numbered from 0. Its methods
// may be called from any goroutine, apart from start, stop and close: those of one node are called by one goroutine
// at a time, and a node that is stopped is not read.
type system interface {
	// place makes a batch of a job's allocations durable, through the leader.
	place(ctx context.Context, batch []*schema.Allocation) error

	// update makes a client's update durable through a node, as that system's users do. Of a node that cannot
	// serve it the error is errElsewhere, and nothing has happened.
	update(ctx context.Context, node int, a *schema.Allocation) error

	// read returns an allocation with the latest report of its client, through a node.
	read(ctx context.Context, node int, id string, linearizable bool) (*schema.Allocation, error)

	// local is read in the node's own memory or file, to verify it.
	local(node int, id string) (*schema.Allocation, error)

	// leader returns the leader, or -1.
	leader() int

	// applied returns the index up to which a node shows the log.
	applied(node int) uint64

	// cut makes a node's content the beginning of its log.
	cut(node int) error

	// digest returns a number that is equal on nodes with equal content.
	digest(ctx context.Context, node int) (uint64, error)

	start(node int) error
	stop(node int) error // at once: the leadership is not given away
	close() error
}

// errElsewhere: the node is not the leader, and does not forward.
var errElsewhere = errors.New("this node does not lead")

// settings are the settings of a cluster.
type settings struct {
	dir      string // a directory of its own
	nodes    int
	resident int64 // ResidentBytes of our stores; 0 is the default
	trailing bool  // keep the entries before a snapshot, as raft does by default
	watched  bool  // note the arrival of snapshots
}

// opened has the functions that open the systems.
var opened = map[string]func(*settings) (system, error){
	ours:  func(o *settings) (system, error) { return asSystem(openOurs(o)) },
	memDB: func(o *settings) (system, error) { return asSystem(openMemDB(o)) },
	etcd:  func(o *settings) (system, error) { return asSystem(openEtcd(o)) },
}

func asSystem[S system](s S, err error) (system, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openSystem opens a cluster and waits for its leader.
func openSystem(name string, o settings) (system, error) {
	o.dir = filepath.Join(o.dir, strings.ReplaceAll(name, " ", "-"))
	s, err := opened[name](&o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := awaitLeader(s); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), s.close())
	}
	return s, nil
}

// patience bounds the wait for an election, and for a node to catch up.
const patience = 2 * time.Minute

// awaitLeader waits for a leader.
func awaitLeader(s system) error {
	return await("a leader", func() bool { return s.leader() >= 0 })
}

// await polls until done.
func await(what string, done func() bool) error {
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("waited for %s for %v", what, patience)
		}
	}
	return nil
}

// caughtUp waits until all nodes have reached the index of the leader as of the call.
func caughtUp(s system, nodes int) error {
	if err := awaitLeader(s); err != nil {
		return err
	}
	at := s.applied(s.leader())
	for node := range nodes {
		if err := await(fmt.Sprintf("node %d to reach index %d", node, at), func() bool { return s.applied(node) >= at }); err != nil {
			return fmt.Errorf("%w; it is at %d", err, s.applied(node))
		}
	}
	return nil
}

// others returns the nodes apart from one.
func others(nodes, but int) (all []int) {
	for node := range nodes {
		if node != but {
			all = append(all, node)
		}
	}
	return all
}
