package raftstore

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A meter is a transport that sends some messages with entries to a node, and no more.
type meter struct {
	*raft.InmemTransport
	to   raft.ServerID
	left *atomic.Int64
}

func (m *meter) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

func (m *meter) AppendEntries(id raft.ServerID, to raft.ServerAddress, q *raft.AppendEntriesRequest, a *raft.AppendEntriesResponse) error {
	if id == m.to && len(q.Entries) > 0 && m.left.Add(-1) < 0 {
		return raft.ErrTransportShutdown
	}
	return m.InmemTransport.AppendEntries(id, to, q, a)
}

// TestNewcomerIsNoCandidate: a node leaves, loses its directory, joins again, and has the beginning of the log when it is cut off with
// another one that has heard of none of it. The log as far as it has it says that the two are a majority.
func TestNewcomerIsNoCandidate(t *testing.T) {
	t.Parallel()
	var left atomic.Int64
	left.Store(1 << 40)
	c := newCluster(t, 3, nil, func(c *Config) {
		c.Transport = &meter{c.Transport.(*raft.InmemTransport), "n2", &left}
	})
	wiped := c.nodes[2]
	for _, tn := range c.nodes[:2] {
		if c.leader() == wiped {
			require.NoError(t, wiped.Transfer(t.Context(), tn.id))
		}
	}
	leads, behind := c.leader(), c.nodes[0]
	if behind == leads {
		behind = c.nodes[1]
	}
	c.place(leads, 0, 5)
	c.equal()
	c.isolate(behind)
	c.place(leads, 5, 30)
	added := c.add()
	require.NoError(t, leads.Join(t.Context(), Member{added.id, added.address, true}))
	c.place(leads, 30, 35)
	require.NoError(t, leads.Leave(t.Context(), wiped.id))
	c.shut(wiped)
	require.NoError(t, os.RemoveAll(c.dirOf(wiped)))
	left.Store(1)
	c.open(wiped)
	c.isolate(behind)
	go func() { _ = leads.Join(t.Context(), Member{wiped.id, wiped.address, true}) }() // a majority needs it
	c.until("it has a part of the log", func() bool { return wiped.raft.LastIndex() >= 16 })
	members, err := wiped.Members()
	require.NoError(t, err)
	require.Len(t, members, 3)
	c.only(behind, wiped)
	require.Never(t, func() bool { return wiped.raft.State() == raft.Leader }, 5*time.Second, time.Millisecond, "it lacks batches that a majority has")

	left.Store(1 << 40)
	c.rejoin(behind)
	c.rejoin(wiped)
	c.place(c.leader(), 40, 45)
	c.equal()
}
