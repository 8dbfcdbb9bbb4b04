package raftstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestStatus asks a follower for the status of all nodes, one of which is closed, and another one takes its address.
func TestStatus(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, new(TransportOptions), nil)
	leads := c.leader()
	c.place(leads, 0, 3)
	c.equal()
	f := c.follower()
	all, err := f.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i, s := range all {
		tn := c.nodes[i]
		require.Empty(t, s.Failure)
		require.Equal(t, Member{tn.id, tn.address, true}, s.Member)
		require.Equal(t, leads.raft.CurrentTerm(), s.Term)
		require.Equal(t, leads.Store().AppliedIndex(), s.AppliedIndex, tn.id)
		require.GreaterOrEqual(t, s.LastIndex, s.CommitIndex)
		require.GreaterOrEqual(t, s.CommitIndex, s.AppliedIndex)
		if tn == leads {
			require.Equal(t, "Leader", s.State)
			require.Zero(t, s.LastContact)
		} else {
			require.Equal(t, "Follower", s.State)
			require.Positive(t, s.LastContact)
		}
	}
	require.NoError(t, f.raft.Snapshot().Error())
	require.Equal(t, f.raft.LastIndex(), f.ownStatus().SnapshotIndex)

	var gone *testNode
	for _, tn := range c.nodes {
		if tn != leads && tn != f {
			gone = tn
		}
	}
	c.shut(gone)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var s NodeStatus
	c.until("the node is gone, and its connection", func() bool {
		s = f.StatusOf(ctx, Member{gone.id, gone.address, true})
		return strings.Contains(s.Failure, "refused")
	})
	require.NotContains(t, s.Failure, ErrNotLeader.Error())
	require.Equal(t, gone.id, s.ID)
	require.Zero(t, s.AppliedIndex)
	s = f.StatusOf(ctx, Member{gone.id, leads.address, true})
	require.Contains(t, s.Failure, "answers at this address", "another node")
}

// TestStatusWrongBytes has a node answer wrong bytes, an older one that does not know the request, and one that answers
// too late.
func TestStatusWrongBytes(t *testing.T) {
	t.Parallel()
	answer := make(chan []byte, 1)
	c := newCluster(t, 1, nil, func(config *Config) {
		config.Forward = func(ctx context.Context, _ raft.ServerAddress, _ []byte) ([]byte, error) {
			select {
			case a := <-answer:
				return a, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	})
	n := c.nodes[0]
	old := appendFailure(nil, ErrNotLeader)
	for _, wrong := range [][]byte{nil, {answerApplied}, old, []byte("{"), []byte("[]"), []byte("{} x"), []byte(`{"Term":-1}`), []byte(`{"ID":"b","Failure":"x"}`)} {
		answer <- wrong
		_, err := n.askStatus(t.Context(), "b")
		require.Error(t, err, "%q", wrong)
	}
	answer <- []byte(`{"ID":"b","Term":7}`)
	s := n.StatusOf(t.Context(), Member{ID: "b", Voter: true})
	require.Equal(t, NodeStatus{Member: Member{ID: "b", Voter: true}, Term: 7}, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded.Error(), n.StatusOf(ctx, Member{ID: "b"}).Failure)
}
