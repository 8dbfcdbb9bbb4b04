package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/raftstore"
)

// ourCluster is a cluster of raftstore's nodes with their defaults.
type ourCluster struct {
	settings
	nodes   []atomic.Pointer[raftstore.Node] // nil: stopped
	members []raftstore.Member
	arrived []*arrivals // of snapshots, if they are watched
}

var _ installer = (*ourCluster)(nil)

// rareSnapshots is the interval of raft's own snapshots: longer than a run, in our nodes and those of go-memdb.
const rareSnapshots = 24 * time.Hour

// openOurs opens a cluster. All its nodes but the first may be started later.
func openOurs(o *settings) (*ourCluster, error) {
	c := &ourCluster{settings: *o}
	c.nodes = make([]atomic.Pointer[raftstore.Node], o.nodes)
	c.members = make([]raftstore.Member, o.nodes)
	c.arrived = newArrivals(o.nodes)
	for i := range c.members {
		c.members[i] = raftstore.Member{ID: nodeID(i), Address: "127.0.0.1:0", Voter: true}
		if err := c.start(i); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, c.node(0).Bootstrap(c.members...)
}

func nodeID(i int) raft.ServerID { return raft.ServerID(fmt.Sprintf("node%d", i)) }

func nodeDir(dir string, i int) string { return filepath.Join(dir, string(nodeID(i))) }

func (c *ourCluster) node(i int) *raftstore.Node { return c.nodes[i].Load() }

func (c *ourCluster) start(i int) error {
	quiet := slog.New(slog.DiscardHandler)
	t, err := raftstore.NewTransport(string(c.members[i].Address), &raftstore.TransportOptions{Logger: quiet})
	if err != nil {
		return err
	}
	c.members[i].Address = t.LocalAddr()
	config := &raftstore.Config{ID: c.members[i].ID, Transport: t, Logger: quiet, Raft: c.configure}
	if c.resident > 0 {
		config.Store = &store.Options{ResidentBytes: c.resident}
	}
	if c.watched {
		config.Transport, config.Forward = c.arrived[i].watch(t), t.Forward
	}
	n, err := raftstore.Open(nodeDir(c.dir, i), config)
	if err != nil {
		return errors.Join(err, t.Close())
	}
	if c.watched {
		t.Serve(n.Handle)
	}
	c.nodes[i].Store(n)
	return nil
}

func (c *ourCluster) configure(r *raft.Config) {
	r.SnapshotInterval = rareSnapshots
	if !c.trailing {
		r.TrailingLogs = 0
	}
}

func (c *ourCluster) stop(i int) error { return c.nodes[i].Swap(nil).Close() }

func (c *ourCluster) close() error {
	var errs []error
	for i := range c.nodes {
		if c.node(i) != nil {
			errs = append(errs, c.stop(i))
		}
	}
	return errors.Join(errs...)
}

func (c *ourCluster) place(ctx context.Context, batch []*schema.Allocation) error {
	var b store.Batch
	for _, a := range batch {
		b.Upsert(a)
	}
	_, err := c.apply(ctx, c.leader(), &b)
	return err
}

func (c *ourCluster) update(ctx context.Context, node int, a *schema.Allocation) error {
	var b store.Batch
	b.UpdateFromClient(a)
	applied, err := c.apply(ctx, node, &b)
	if err == nil && (len(applied.Unknown) > 0 || applied.Unchanged > 0) {
		return fmt.Errorf("an update was without effect: %+v", applied)
	}
	return err
}

func (c *ourCluster) apply(ctx context.Context, node int, b *store.Batch) (store.Applied, error) {
	if node < 0 {
		return store.Applied{}, errElsewhere
	}
	n := c.node(node)
	if n == nil {
		return store.Applied{}, errElsewhere
	}
	applied, err := n.Apply(ctx, b)
	if errors.Is(err, raftstore.ErrNotLeader) {
		err = fmt.Errorf("%w: %w", errElsewhere, err)
	}
	return applied, err
}

func (c *ourCluster) read(ctx context.Context, node int, id string, linearizable bool) (*schema.Allocation, error) {
	n, want := c.node(node), raftstore.Stale
	if linearizable {
		want = raftstore.Linearizable
	}
	if _, err := n.Read(ctx, want); err != nil {
		return nil, err
	}
	return n.Store().Get(id)
}

func (c *ourCluster) local(node int, id string) (*schema.Allocation, error) {
	return c.node(node).Store().Get(id)
}

func (c *ourCluster) leader() int {
	for i := range c.nodes {
		if n := c.node(i); n != nil && n.Raft().State() == raft.Leader {
			return i
		}
	}
	return -1
}

func (c *ourCluster) applied(node int) uint64 { return c.node(node).Store().AppliedIndex() }

func (c *ourCluster) cut(node int) error { return c.node(node).Raft().Snapshot().Error() }

func (c *ourCluster) digest(_ context.Context, node int) (uint64, error) {
	_, digest := c.node(node).Store().Digest()
	return digest, nil
}

// add adds a node, which is to be installed.
func (c *ourCluster) add(ctx context.Context) (node int, err error) {
	i := len(c.members)
	grown := make([]atomic.Pointer[raftstore.Node], i+1)
	for k := range c.nodes {
		grown[k].Store(c.node(k))
	}
	c.nodes, c.members = grown, append(c.members, raftstore.Member{ID: nodeID(i), Address: "127.0.0.1:0", Voter: true})
	c.arrived = append(c.arrived, new(arrivals))
	if err := c.start(i); err != nil {
		return i, err
	}
	return i, c.node(c.leader()).Join(ctx, c.members[i])
}

func (c *ourCluster) arrivalsOf(node int) *arrivals { return c.arrived[node] }
