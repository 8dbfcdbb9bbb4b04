package raftstore

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A lateAnswers is a transport whose answers to AppendEntries arrive late: those to heartbeats until beats is closed, and the
// others until entries is.
type lateAnswers struct {
	*raft.InmemTransport
	mu             sync.Mutex // guards the rest
	beats, entries chan struct{}
	held           map[string]bool // by kind and node
}

func (l *lateAnswers) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

func (l *lateAnswers) AppendEntries(id raft.ServerID, to raft.ServerAddress, q *raft.AppendEntriesRequest, a *raft.AppendEntriesResponse) error {
	err := l.InmemTransport.AppendEntries(id, to, q, a)
	l.mu.Lock()
	until, kind := l.beats, "beat "
	if q.LeaderCommitIndex > 0 {
		until, kind = l.entries, "entries "
	}
	if until != nil && err == nil {
		l.held[kind+string(id)] = true
	}
	l.mu.Unlock()
	if until != nil && err == nil {
		<-until
	}
	return err
}

// A stuckReader blocks raft's main goroutine, as a slow disk does.
type stuckReader struct{ until chan struct{} }

func (r stuckReader) Read([]byte) (int, error) { <-r.until; return 0, io.ErrUnexpectedEOF }

// TestLateAnswersVerifyNothing: answers of the time before a read arrive after it. They do not show that the node still
// leads. No clock matters: raft's own goroutine is held up meanwhile, and does not look at the lease.
func TestLateAnswersVerifyNothing(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	late := make(map[raft.ServerID]*lateAnswers)
	c := newCluster(t, 3, nil, func(c *Config) {
		l := &lateAnswers{InmemTransport: c.Transport.(*raft.InmemTransport), held: make(map[string]bool)}
		c.Transport = l
		mu.Lock()
		defer mu.Unlock()
		late[c.ID] = l
	})
	old := c.leader()
	c.place(old, 0, 5)
	c.equal()
	l, stuck := late[old.id], make(chan struct{})
	l.mu.Lock()
	l.beats, l.entries = make(chan struct{}), make(chan struct{})
	l.mu.Unlock()
	c.until("answers are on their way", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.held) == 4 })
	go func() {
		_ = old.raft.Restore(&raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Size: 1}, stuckReader{stuck}, 0)
	}()
	time.Sleep(20 * time.Millisecond)
	c.isolate(old)
	var next *testNode
	c.until("a new leader", func() bool {
		for _, tn := range c.nodes {
			if tn != old && tn.raft.State() == raft.Leader {
				next = tn
			}
		}
		return next != nil
	})
	c.place(next, 10, 12)
	wrote := next.Store().AppliedIndex()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	read := make(chan error, 1)
	go func() {
		i, err := old.Read(ctx, Linearizable)
		if err == nil && i.Index < wrote {
			err = errors.New("a stale read")
		}
		read <- err
	}()
	time.Sleep(20 * time.Millisecond)
	close(l.beats)
	time.Sleep(20 * time.Millisecond)
	close(stuck)
	time.Sleep(20 * time.Millisecond)
	close(l.entries)
	require.ErrorIs(t, <-read, ErrNotLeader)
}

// TestWhoAnswersForItsTerm: a node that has lost its directory has lost its term, and one that has got another one's address never had
// it. They do not count as members that have seen no later leader.
func TestWhoAnswersForItsTerm(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	leads, f := c.leader(), c.follower()
	c.until("the follower has caught up", func() bool { return f.newcomer.caughtUp() == nil })
	term := leads.raft.CurrentTerm()
	require.NoError(t, leads.askTerm(t.Context(), Member{ID: f.id, Address: f.address}, term))
	require.ErrorIs(t, leads.askTerm(t.Context(), Member{ID: f.id, Address: f.address}, term-1), ErrNotLeader)
	require.ErrorIs(t, leads.askTerm(t.Context(), Member{ID: "gone", Address: f.address}, term), ErrNotLeader)
	empty := c.add()
	require.ErrorIs(t, leads.askTerm(t.Context(), Member{ID: empty.id, Address: empty.address}, term), ErrNotLeader)
}

// TestRoundsEnd: a member that never answers, not even when it is told to stop, holds up no round.
func TestRoundsEnd(t *testing.T) {
	t.Parallel()
	var hangs atomic.Bool
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	c := newCluster(t, 3, nil, func(c *Config) {
		forward := c.Forward
		c.Forward = func(ctx context.Context, to raft.ServerAddress, request []byte) ([]byte, error) {
			if hangs.Load() && request[0] == requestTerm {
				<-never
			}
			return forward(ctx, to, request)
		}
	})
	leads := c.leader()
	hangs.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := leads.readIndex(ctx, true)
	require.ErrorIs(t, err, ErrNotLeader)
	hangs.Store(false)
	c.leader()
	require.NoError(t, ctx.Err())
}
