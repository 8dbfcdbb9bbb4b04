package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
	"allocstore/store/internal/segmentsize"
	"allocstore/store/raftstore"
)

// segmentBytes is the size of the files of a log: small, so that a workload begins and cuts many.
const segmentBytes = 4096

// The members of the clusters.
const (
	alone    raft.ServerID = "alone"    // votes alone
	follower raft.ServerID = "follower" // has no vote
)

// A member is a node of a cluster, on raft's transport in memory.
type member struct {
	*raftstore.Node
	id    raft.ServerID
	trans *raft.InmemTransport
}

// openMember opens a node in a directory. It holds an election within about twice the timeout.
func openMember(dir string, id raft.ServerID, timeout time.Duration) (*member, error) {
	segmentsize.Set(segmentBytes)
	_, trans := raft.NewInmemTransportWithTimeout(raft.ServerAddress(id), time.Second)
	quiet := slog.New(slog.DiscardHandler)
	n, err := raftstore.Open(dir, &raftstore.Config{
		ID: id, Transport: trans, Logger: quiet,
		Store: &store.Options{FeedRetention: -1, InitialMmapBytes: 32 << 10, LockTimeout: -1, Logger: quiet},
		Raft: func(c *raft.Config) {
			c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = timeout, timeout, min(timeout, whileJudged)
			c.CommitTimeout = time.Millisecond
			c.TrailingLogs = 2
			c.MaxAppendEntries = 16 // the log's cache keeps as many of those that were cut
			c.SnapshotInterval = time.Hour
		},
	})
	if err != nil {
		return nil, errors.Join(err, trans.Close())
	}
	return &member{n, id, trans}, nil
}

// hasten has a node that was opened with a long election timeout begin an election.
func (m *member) hasten() error {
	c := m.Raft().ReloadableConfig()
	c.HeartbeatTimeout, c.ElectionTimeout = whileJudged, whileJudged
	return m.Raft().ReloadConfig(c)
}

// bootstrap begins a cluster of this node alone.
func (m *member) bootstrap() error {
	return m.Bootstrap(raftstore.Member{ID: m.id, Address: raft.ServerAddress(m.id), Voter: true})
}

// errStuck: a node neither works nor halts.
var errStuck = errors.New("it neither leads nor halts")

// leastTries is the least number of times to ask a node that does not lead, so that a pause of this process is no violation.
const leastTries = 20

// lead waits until the node leads, and shows all entries that are committed.
func (m *member) lead() error {
	began := time.Now()
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := m.Read(ctx, raftstore.Linearizable)
		cancel()
		if !errors.Is(err, raftstore.ErrNotLeader) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if try > leastTries && time.Since(began) > patience {
			return fmt.Errorf("%w: %w", errStuck, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// use applies a batch, in any state, and returns its index.
func (m *member) use() (uint64, error) {
	b := new(store.Batch)
	b.Upsert(lastAlloc())
	applied, err := m.Apply(context.Background(), b)
	return applied.Index, err
}

// snapshot has the node take a snapshot and cut its log.
func (m *member) snapshot() error { return m.Raft().Snapshot().Error() }

// connect connects two members.
func connect(a, b *member) {
	a.trans.Connect(b.trans.LocalAddr(), b.trans)
	b.trans.Connect(a.trans.LocalAddr(), a.trans)
}

var _ io.Closer = (*member)(nil)
