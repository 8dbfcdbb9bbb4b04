package raftstore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestCloseWaitsForHeartbeats closes a transport while raft handles a heartbeat. Raft handles it in the goroutine of its
// connection, writes the term to the log's metadata, and panics if that fails: Close of a Node closes it next.
func TestCloseWaitsForHeartbeats(t *testing.T) {
	t.Parallel()
	o := &TransportOptions{Logger: quiet}
	to, err := NewTransport("127.0.0.1:0", o)
	require.NoError(t, err)
	from, err := NewTransport("127.0.0.1:0", o)
	require.NoError(t, err)
	entered, release := make(chan bool), make(chan bool)
	var handled atomic.Bool
	to.SetHeartbeatHandler(func(r raft.RPC) {
		entered <- true
		<-release
		handled.Store(true)
		r.Respond(new(raft.AppendEntriesResponse), nil)
	})
	go func() {
		heartbeat := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("a")}, Term: 1}
		_ = from.AppendEntries("to", to.LocalAddr(), heartbeat, new(raft.AppendEntriesResponse))
	}()
	<-entered
	closed := make(chan error)
	go func() { closed <- to.Close() }()
	select {
	case <-closed:
		t.Error("the heartbeat is not handled yet")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if !t.Failed() {
		require.NoError(t, <-closed)
		require.True(t, handled.Load())
	}
	require.NoError(t, from.Close())
}
