package main

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"

	"allocstore/schema"
)

// memCluster is a cluster whose nodes keep allocations in go-memdb, behind the same raft and the same log as ours.
type memCluster struct {
	settings
	nodes   []atomic.Pointer[memNode] // nil: stopped
	addrs   []raft.ServerAddress      // "": not yet known
	arrived []*arrivals               // of snapshots, if they are watched
}

var _ installer = (*memCluster)(nil)

// A memNode is one node.
type memNode struct {
	raft *raft.Raft // nil if it was not opened
	fsm  *memFSM
	net  *raft.NetworkTransport
	wal  *wal.WAL
	meta *metadb.BoltMetaDB
}

func openMemDB(o *settings) (*memCluster, error) {
	c := &memCluster{settings: *o}
	c.nodes = make([]atomic.Pointer[memNode], o.nodes)
	c.addrs = make([]raft.ServerAddress, o.nodes)
	c.arrived = newArrivals(o.nodes)
	var members raft.Configuration
	for i := range c.nodes {
		if err := c.start(i); err != nil {
			return nil, errors.Join(err, c.close())
		}
		members.Servers = append(members.Servers, raft.Server{ID: nodeID(i), Address: c.addrs[i]})
	}
	return c, c.node(0).raft.BootstrapCluster(members).Error()
}

func (c *memCluster) node(i int) *memNode { return c.nodes[i].Load() }

// start opens a node. Raft restores its newest snapshot and then replays the log.
func (c *memCluster) start(i int) (err error) {
	n := &memNode{meta: new(metadb.BoltMetaDB)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.fsm, err = newMemFSM(); err != nil {
		return err
	}
	dir := nodeDir(c.dir, i)
	snapshots, err := raft.NewFileSnapshotStore(dir, 1, io.Discard) // creates the directory
	if err != nil {
		return err
	}
	quiet := hclog.NewNullLogger()
	if n.wal, err = wal.Open(dir, wal.WithMetaStore(n.meta), wal.WithLogger(quiet)); err != nil {
		return err
	}
	address := "127.0.0.1:0"
	if c.addrs[i] != "" {
		address = string(c.addrs[i])
	}
	if n.net, err = raft.NewTCPTransportWithLogger(address, nil, memPool, memTimeout, quiet); err != nil {
		return err
	}
	c.addrs[i] = n.net.LocalAddr()
	var transport raft.Transport = n.net
	if c.watched {
		transport = c.arrived[i].watch(n.net)
	}
	config := c.config(i, quiet)
	cache, err := raft.NewLogCache(config.MaxAppendEntries, n.wal)
	if err != nil {
		return err
	}
	if n.raft, err = raft.NewRaft(config, n.fsm, cache, n.wal, snapshots, transport); err != nil {
		return err
	}
	c.nodes[i].Store(n)
	return nil
}

// Connections and timeout are those of our transport.
const (
	memPool    = 4
	memTimeout = 10 * time.Second
)

// config is our nodes' configuration of raft. Here raft restores its snapshot at start, since nothing else has the content.
func (c *memCluster) config(i int, log hclog.Logger) *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID, r.Logger = nodeID(i), log
	r.MaxAppendEntries = 1024
	r.SnapshotInterval = rareSnapshots
	if !c.trailing {
		r.TrailingLogs = 0
	}
	return r
}

// close closes a node as far as it was opened.
func (n *memNode) close() error {
	var errs []error
	if n.net != nil {
		errs = append(errs, n.net.Close())
	}
	if n.raft != nil {
		errs = append(errs, n.raft.Shutdown().Error())
	}
	if n.wal != nil {
		errs = append(errs, n.wal.Close(), n.meta.Close())
	}
	return errors.Join(errs...)
}

func (c *memCluster) stop(i int) error { return c.nodes[i].Swap(nil).close() }

func (c *memCluster) close() error {
	var errs []error
	for i := range c.nodes {
		if c.node(i) != nil {
			errs = append(errs, c.stop(i))
		}
	}
	return errors.Join(errs...)
}

func (c *memCluster) place(_ context.Context, batch []*schema.Allocation) error {
	return c.apply(c.leader(), encodePlacement(batch))
}

func (c *memCluster) update(_ context.Context, node int, a *schema.Allocation) error {
	return c.apply(node, encodeUpdate(a))
}

// apply proposes an entry and waits until it is applied.
func (c *memCluster) apply(node int, entry []byte) error {
	if node < 0 {
		return errElsewhere
	}
	n := c.node(node)
	if n == nil {
		return errElsewhere
	}
	f := n.raft.Apply(entry, 0)
	if err := f.Error(); errors.Is(err, raft.ErrNotLeader) {
		return errElsewhere
	} else if err != nil {
		return err
	}
	err, _ := f.Response().(error)
	return err
}

// read is that of Nomad: a consistent read verifies the leadership first, and a stale one reads at once.
func (c *memCluster) read(_ context.Context, node int, id string, linearizable bool) (*schema.Allocation, error) {
	if linearizable {
		if err := c.node(node).raft.VerifyLeader().Error(); err != nil {
			return nil, errors.Join(errElsewhere, err)
		}
	}
	return c.local(node, id)
}

func (c *memCluster) local(node int, id string) (*schema.Allocation, error) {
	return c.node(node).fsm.get(id)
}

func (c *memCluster) leader() int {
	for i := range c.nodes {
		if n := c.node(i); n != nil && n.raft.State() == raft.Leader {
			return i
		}
	}
	return -1
}

// applied is the last entry that the table shows. Raft's own AppliedIndex runs ahead of it.
func (c *memCluster) applied(node int) uint64 { return c.node(node).fsm.applied.Load() }

func (c *memCluster) cut(node int) error { return c.node(node).raft.Snapshot().Error() }

func (c *memCluster) digest(_ context.Context, node int) (uint64, error) {
	return c.node(node).fsm.digest()
}

// add adds a node, which is to be installed.
func (c *memCluster) add(context.Context) (node int, err error) {
	i := len(c.nodes)
	grown := make([]atomic.Pointer[memNode], i+1)
	for k := range c.nodes {
		grown[k].Store(c.node(k))
	}
	c.nodes, c.addrs, c.arrived = grown, append(c.addrs, ""), append(c.arrived, new(arrivals))
	if err := c.start(i); err != nil {
		return i, err
	}
	return i, c.node(c.leader()).raft.AddVoter(nodeID(i), c.addrs[i], 0, 0).Error()
}

func (c *memCluster) arrivalsOf(node int) *arrivals { return c.arrived[node] }
