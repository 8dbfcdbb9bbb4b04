package raftstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/storetest"
)

// TestFreshReads: a read on any node after a write on another one shows it, also when nothing was written since an
// election, or since a snapshot at an entry of raft's own.
func TestFreshReads(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	read := func(consistency Consistency) {
		t.Helper()
		for _, tn := range c.nodes {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			info, err := tn.Read(ctx, consistency)
			cancel()
			require.NoError(t, err, "%s", tn.id)
			require.True(t, info.KnownLeader)
			require.GreaterOrEqual(t, info.LastContact, time.Duration(0))
			require.LessOrEqual(t, info.Index, tn.Store().AppliedIndex())
		}
	}
	for i := range uint32(20) {
		consistency := Leader + Consistency(i%2)
		c.apply(c.nodes[i%3], upsert(i))
		read(consistency)
		for _, tn := range c.nodes {
			_, err := tn.Store().Get(storetest.ID(i))
			require.NoError(t, err, "%s", tn.id)
		}
	}
	leads := c.leader()
	require.NoError(t, leads.raft.Barrier(0).Error()) // an entry of raft's own is the last one
	c.snapshot(leads)
	read(Linearizable)
	read(Leader)
	_, err := leads.Read(t.Context(), Linearizable+1)
	require.ErrorIs(t, err, store.ErrInvalid)
}

// TestDeposedLeaderIsNotRead: a leader that is cut off acknowledges nothing, and its fresh reads end, while the others have
// gone on. Its stale reads say so.
func TestDeposedLeaderIsNotRead(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	old := c.leader()
	c.place(old, 0, 3)
	c.isolate(old)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lost := make(chan error, 1)
	go func() {
		_, err := old.Apply(ctx, upsert(50))
		lost <- err
	}()
	_, err := old.Read(ctx, Linearizable)
	require.ErrorIs(t, err, ErrNotLeader)
	err = <-lost
	require.True(t, errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrNotLeader), "%v", err)
	next := c.leader()
	require.NotEqual(t, old.id, next.id)
	c.place(next, 10, 13)
	for _, consistency := range []Consistency{Leader, Linearizable} {
		_, err = old.Read(ctx, consistency)
		require.ErrorIs(t, err, ErrNotLeader)
	}
	info, err := old.Read(ctx, Stale)
	require.NoError(t, err)
	require.False(t, info.KnownLeader)
	require.Less(t, info.Index, next.Store().AppliedIndex())
	c.rejoin(old)
	c.equal()
}

// TestRetryWithExpect: a batch whose outcome is unknown is repeated with a condition, and is applied once.
func TestRetryWithExpect(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	old := c.leader()
	var b store.Batch
	b.Expect(storetest.ID(1), 0)
	b.Upsert(mock(1))
	ctx, cancel := context.WithCancel(t.Context())
	old.fsm.mu.Lock() // the entry is committed, and not applied
	committed := old.raft.CommitIndex()
	unknown := make(chan error, 1)
	go func() {
		_, err := old.Apply(ctx, &b)
		unknown <- err
	}()
	c.until("it is committed", func() bool { return old.raft.CommitIndex() > committed })
	cancel()
	err := <-unknown
	old.fsm.mu.Unlock()
	require.ErrorIs(t, err, ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.Canceled)
	_, err = old.Apply(t.Context(), &b)
	require.ErrorIs(t, err, store.ErrConflict)
	c.equal()
	require.Equal(t, 1, old.Store().Stats().Allocations)
}

// TestFailover: with the leader closed the others go on, and it catches up.
func TestFailover(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, &TransportOptions{}, nil)
	for round := range uint32(2) {
		old := c.leader()
		c.place(old, round*100, round*100+5)
		c.shut(old)
		next := c.leader()
		for i := range uint32(5) {
			_, err := next.Store().Get(storetest.ID(round*100 + i))
			require.NoError(t, err)
		}
		c.place(next, round*100+10, round*100+15)
		c.open(old)
		c.equal()
	}
}
