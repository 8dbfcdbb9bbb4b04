package raftstore

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestStuckPipelineEnds: the answers of a pipeline are not taken any more, as after raft has heard of a later term. Sending ends,
// and with it raft, which waits for the sender when it stops.
func TestStuckPipelineEnds(t *testing.T) {
	t.Parallel()
	o := &TransportOptions{Timeout: 200 * time.Millisecond, Logger: quiet}
	client, err := NewTransport("127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	server, err := NewTransport("127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	go func() {
		for {
			select {
			case rpc := <-server.Consumer():
				rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
			case <-t.Context().Done():
				return
			}
		}
	}()
	p, err := client.AppendEntriesPipeline("server", server.LocalAddr())
	require.NoError(t, err)
	defer p.Close()
	ended := make(chan error, 1)
	go func() {
		for {
			q := &raft.AppendEntriesRequest{Term: 1, PrevLogEntry: 1, LeaderCommitIndex: 1}
			if _, err := p.AppendEntries(q, new(raft.AppendEntriesResponse)); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, raft.ErrPipelineShutdown)
	case <-time.After(patience / 4):
		t.Fatal("the sender waits for ever")
	}
}
