package raftstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCloseWhileHalting: raft does not answer a request to transfer the leadership if it stops first.
func TestCloseWhileHalting(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	tn.fsm.mu.Lock() // raft waits for the FSM, after as many batches as it queues
	at := tn.raft.LastIndex()
	for i := range uint64(200) {
		go tn.raft.Apply((&entry{}).encode(), 0)
		for deadline := time.Now().Add(100 * time.Millisecond); tn.raft.LastIndex() <= at+i && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if tn.raft.LastIndex() <= at+i {
			break
		}
	}
	_ = tn.halt.begin(errors.New("a test"))
	time.Sleep(50 * time.Millisecond) // it has asked
	closed := make(chan struct{})
	go func() { _ = tn.Close(); close(closed) }()
	time.Sleep(50 * time.Millisecond)
	tn.fsm.mu.Unlock()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "Close waits for ever")
	}
}

// TestHaltEndsAWaitForRaft: raft's main goroutine ends if it cannot read the log, and then takes no restore any more. A Restore that
// waits for it ends when the node has halted and does not lead; otherwise neither the halt nor Close would end.
func TestHaltEndsAWaitForRaft(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	f := c.follower()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- f.awaitRestore(ctx, 1<<40, make(chan error)) }()
	select {
	case err := <-ended:
		t.Fatalf("raft may take it: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	f.halt.restore.Lock()
	_ = f.halt.begin(errors.New("the log cannot be read"))
	require.ErrorIs(t, <-ended, context.Canceled)
	f.halt.restore.Unlock()
}
