package raftstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestLostRestoreHalts: a leader restores, and loses the leadership before any other node has the content. The others go
// on without it. The node's content and index are those of a history that is not the cluster's: it halts, and
// neither shows entries of one history on top of the other nor skips them.
func TestLostRestoreHalts(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]bool{"by a snapshot": true, "by entries": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c *cluster
			var old *testNode
			var once sync.Once
			c = newCluster(t, 3, nil, func(config *Config) {
				config.reached = func(string) { once.Do(func() { c.isolate(old) }) }
			})
			old = c.leader()
			c.place(old, 0, 5)
			c.equal()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			require.ErrorIs(t, old.Restore(ctx, bytes.NewReader(backupOf(t, 5, 100))), ErrOutcomeUnknown)
			require.Equal(t, 1, old.Store().Stats().Allocations, "the restore was local")
			next := c.leader()
			c.place(next, 10, 40)
			if cut {
				c.snapshot(next)
			} else {
				c.shut(old)
			}
			if old.Node == nil {
				c.open(old)
			}
			c.rejoin(old)
			c.until("it has halted", func() bool { return old.halt.err() != nil })
			require.ErrorIs(t, old.halt.err(), errLost)
			c.place(c.leader(), 40, 45)
			c.equal()
		})
	}
}

// A noInstall is a transport that sends no snapshot.
type noInstall struct{ *raft.InmemTransport }

func (noInstall) InstallSnapshot(raft.ServerID, raft.ServerAddress, *raft.InstallSnapshotRequest, *raft.InstallSnapshotResponse, io.Reader) error {
	return errors.New("no snapshot passes")
}

// TestRestoreIsReadWhenCommitted: the leader shows a restore before a majority has it, and may lose it. A fresh read waits
// for the majority.
func TestRestoreIsReadWhenCommitted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, func(c *Config) {
		c.Transport = noInstall{c.Transport.(*raft.InmemTransport)}
		tune := c.Raft
		c.Raft = func(r *raft.Config) { // no other node may be elected
			tune(r)
			r.HeartbeatTimeout, r.ElectionTimeout, r.LeaderLeaseTimeout = 3*time.Second, 3*time.Second, 2*time.Second
		}
	})
	leads := c.leader()
	c.place(leads, 0, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- leads.Restore(ctx, bytes.NewReader(backupOf(t, 5, 100))) }()
	c.until("the leader shows it", func() bool { return leads.Store().Stats().Allocations == 1 })
	for _, consistency := range []Consistency{Leader, Linearizable} {
		short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := leads.Read(short, consistency)
		stop()
		require.Error(t, err, "%v", consistency)
	}
	cancel()
	require.ErrorIs(t, <-done, ErrOutcomeUnknown, "its followers install nothing, and hear of the leader: no end would come")
	go func() { done <- leads.Restore(t.Context(), bytes.NewReader(backupOf(t, 5, 100, 101))) }()
	c.until("the leader shows it", func() bool { return leads.Store().Stats().Allocations == 2 })
	c.shut(leads)
	require.ErrorIs(t, <-done, ErrOutcomeUnknown)
}
