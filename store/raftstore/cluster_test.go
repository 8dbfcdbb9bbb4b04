package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/storetest"
)

// patience bounds every wait of a test.
const patience = 60 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// A cluster is some nodes in this process, on raft's in-memory transport or on TCP.
type cluster struct {
	t     *testing.T
	dir   string
	tcp   *TransportOptions // nil for the in-memory transport
	tune  func(*Config)     // before Open, or nil
	nodes []*testNode
	alone bool // there is one node

	mu     sync.Mutex // guards the fields below
	links  map[raft.ServerAddress]*testNode
	halted []error
}

// A testNode is a node, or the place of one that is closed.
type testNode struct {
	*Node
	id      raft.ServerID
	address raft.ServerAddress
	trans   raft.Transport
}

// newCluster returns n nodes that have elected a leader.
func newCluster(t *testing.T, n int, tcp *TransportOptions, tune func(*Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), tcp: tcp, tune: tune, alone: n == 1, links: make(map[raft.ServerAddress]*testNode)}
	var members []Member
	for range n {
		tn := c.add()
		members = append(members, Member{tn.id, tn.address, true})
	}
	t.Cleanup(c.close)
	require.NoError(t, c.nodes[0].Bootstrap(members...))
	leads := c.leader()
	for _, tn := range c.nodes {
		c.knows(tn, leads)
	}
	return c
}

// add opens a node that belongs to no cluster yet.
func (c *cluster) add() *testNode {
	c.t.Helper()
	tn := &testNode{id: raft.ServerID(fmt.Sprintf("n%d", len(c.nodes)))}
	c.nodes = append(c.nodes, tn)
	c.open(tn)
	return tn
}

func (c *cluster) dirOf(tn *testNode) string { return filepath.Join(c.dir, string(tn.id)) }

// open opens a node, again if it was closed.
func (c *cluster) open(tn *testNode) {
	c.t.Helper()
	require.NoError(c.t, c.tryOpen(tn))
}

func (c *cluster) tryOpen(tn *testNode) error {
	config := c.config(tn)
	node, err := Open(c.dirOf(tn), config)
	if err != nil {
		return errors.Join(err, config.Transport.(io.Closer).Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	tn.Node, c.links[tn.address] = node, tn
	return nil
}

func (c *cluster) config(tn *testNode) *Config {
	config := &Config{ID: tn.id, Logger: quiet, Store: &store.Options{Logger: quiet}, segmentBytes: 4096, Halted: func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.halted = append(c.halted, err)
	}}
	config.Raft = func(r *raft.Config) {
		timeout := time.Second
		if c.alone {
			timeout = 50 * time.Millisecond
		}
		r.HeartbeatTimeout, r.ElectionTimeout, r.LeaderLeaseTimeout = timeout, timeout, timeout/2
		r.TrailingLogs = 8
		r.MaxAppendEntries = 16        // the log's cache keeps as many of those that were cut
		r.SnapshotInterval = time.Hour // only when a test asks
	}
	if c.tcp == nil {
		c.connect(tn, config)
	} else {
		c.listen(tn, config)
	}
	if c.tune != nil {
		c.tune(config)
	}
	return config
}

// connect gives the node an in-memory transport.
func (c *cluster) connect(tn *testNode, config *Config) {
	address, trans := raft.NewInmemTransportWithTimeout(raft.ServerAddress(tn.id), 2*time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.nodes {
		if other != tn && other.Node != nil {
			link(trans, other.trans)
		}
	}
	tn.address, tn.trans = address, trans
	config.Transport = trans
	config.Forward = func(ctx context.Context, to raft.ServerAddress, request []byte) ([]byte, error) {
		c.mu.Lock()
		var node *Node
		if other := c.links[to]; other != nil && c.links[address] != nil {
			node = other.Node
		}
		c.mu.Unlock()
		if node == nil {
			return nil, fmt.Errorf("%w: no link to %s", ErrNotLeader, to)
		}
		return node.Handle(ctx, request)
	}
}

func link(a, b raft.Transport) {
	a.(*raft.InmemTransport).Connect(b.LocalAddr(), b)
	b.(*raft.InmemTransport).Connect(a.LocalAddr(), a)
}

// listen gives the node a port, which it keeps.
func (c *cluster) listen(tn *testNode, config *Config) {
	address := "127.0.0.1:0"
	if tn.address != "" {
		address = string(tn.address)
	}
	o := *c.tcp
	o.Logger = quiet
	trans, err := NewTransport(address, &o)
	require.NoError(c.t, err)
	tn.address, tn.trans = trans.LocalAddr(), trans
	config.Transport = trans
}

// isolate cuts a node of the in-memory transport off.
func (c *cluster) isolate(tn *testNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, tn.address)
	for _, other := range c.nodes {
		if other != tn {
			tn.trans.(*raft.InmemTransport).Disconnect(other.address)
			other.trans.(*raft.InmemTransport).Disconnect(tn.address)
		}
	}
}

// rejoin ends isolate.
func (c *cluster) rejoin(tn *testNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[tn.address] = tn
	for _, other := range c.nodes {
		if other != tn && other.Node != nil {
			link(tn.trans, other.trans)
		}
	}
}

// shut closes a node.
func (c *cluster) shut(tn *testNode) {
	c.t.Helper()
	if err := tn.Close(); tn.halt.err() == nil {
		require.NoError(c.t, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, tn.address)
	tn.Node = nil
}

// close checks all stores and closes the nodes.
func (c *cluster) close() {
	for _, tn := range c.nodes {
		if tn.Node == nil {
			continue
		}
		if tn.available() == nil {
			for err := range tn.Store().Check(context.Background()) {
				c.t.Errorf("%s: %v", tn.id, err)
			}
		}
		if err := tn.Close(); err != nil && tn.halt.err() == nil {
			c.t.Errorf("close %s: %v", tn.id, err)
		}
	}
}

// until waits for a condition.
func (c *cluster) until(what string, condition func() bool) {
	c.t.Helper()
	require.Eventually(c.t, condition, patience, 2*time.Millisecond, what)
}

// leader waits for a leader that can write, and returns it.
func (c *cluster) leader() *testNode {
	c.t.Helper()
	var found *testNode
	c.until("a leader", func() bool {
		for _, tn := range c.nodes {
			if tn.Node == nil || tn.raft.State() != raft.Leader || tn.halt.err() != nil {
				continue
			}
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			_, err := tn.readIndex(ctx, true)
			cancel()
			if err == nil {
				found = tn
				return true
			}
		}
		return false
	})
	return found
}

// follower returns a node that does not lead, and knows the leader.
func (c *cluster) follower() *testNode {
	c.t.Helper()
	leads := c.leader()
	for _, tn := range c.nodes {
		if tn != leads && tn.Node != nil {
			c.knows(tn, leads)
			return tn
		}
	}
	return nil
}

// knows waits until a node knows the leader.
func (c *cluster) knows(tn, leads *testNode) {
	c.t.Helper()
	c.until("a known leader", func() bool { _, id := tn.raft.LeaderWithID(); return id == leads.id })
}

// attempt applies a batch on a node. Elections may come between: a batch whose outcome is unknown is repeated, so it is one
// that may be applied twice.
func (c *cluster) attempt(tn *testNode, b *store.Batch) (store.Applied, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		a, err := tn.Apply(ctx, b)
		if again := errors.Is(err, ErrNotLeader) || errors.Is(err, ErrOutcomeUnknown); !again || ctx.Err() != nil {
			return a, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// apply is attempt for a batch that is not refused.
func (c *cluster) apply(tn *testNode, b *store.Batch) store.Applied {
	c.t.Helper()
	a, err := c.attempt(tn, b)
	require.NoError(c.t, err)
	return a
}

// place upserts allocations with the given numbers, each in its own batch.
func (c *cluster) place(tn *testNode, from, to uint32) {
	c.t.Helper()
	for i := from; i < to; i++ {
		c.apply(tn, upsert(i))
	}
}

func mock(n uint32) *schema.Allocation {
	return storetest.Mock(storetest.WithID(storetest.ID(n)), storetest.OnNode("node1"))
}

func upsert(n uint32) *store.Batch {
	b := new(store.Batch)
	b.Upsert(mock(n))
	return b
}

// equal waits until all nodes have the same content, and returns it.
func (c *cluster) equal() []byte {
	c.t.Helper()
	leads := c.leader()
	c.apply(leads, new(store.Batch))
	at := leads.Store().AppliedIndex()
	want := content(c.t, leads.Store())
	for _, tn := range c.nodes {
		if tn.Node == nil || tn.halt.err() != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		require.NoError(c.t, tn.Store().WaitApplied(ctx, at), tn.id)
		cancel()
		require.Equal(c.t, string(want), string(content(c.t, tn.Store())), tn.id)
		require.Equal(c.t, leads.Store().LastIndex(), tn.Store().LastIndex(), tn.id)
	}
	return want
}

// content returns all allocations of a store, as text.
func content(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	for a, err := range s.All() {
		require.NoError(t, err)
		body, err := a.MarshalJSON()
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s %d %d\n", body, a.CreateIndex, a.ModifyIndex)
	}
	return b.Bytes()
}

// snapshot lets a node take a snapshot and cut its log.
func (c *cluster) snapshot(tn *testNode) {
	c.t.Helper()
	require.NoError(c.t, tn.raft.Snapshot().Error())
}

// haltedErrors returns the errors that Config.Halted got.
func (c *cluster) haltedErrors() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.halted
}

// copyDir copies the files of a directory as they are, as a crash would leave them.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(to))
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}
