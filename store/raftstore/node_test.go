package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/storetest"
)

// TestThreeNodes writes on every node, and reads each write where it was made.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	for name, tcp := range map[string]*TransportOptions{"memory": nil, "tcp": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 3, tcp, nil)
			c.follower()
			var tasks sync.WaitGroup
			for i, tn := range c.nodes {
				tasks.Go(func() {
					for j := range uint32(20) {
						id := uint32(i)*100 + j
						_, err := c.attempt(tn, upsert(id))
						if _, missing := tn.Store().Get(storetest.ID(id)); err != nil || missing != nil {
							t.Errorf("%s: %v, and then %v", tn.id, err, missing)
						}
					}
				})
			}
			tasks.Wait()
			c.equal()
			require.Equal(t, 60, c.nodes[0].Store().Stats().Allocations)
		})
	}
}

// TestRefusalsTravel compares the results that a follower gets with those of a store of its own.
func TestRefusalsTravel(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, &TransportOptions{}, func(c *Config) { c.Store.MaxAllocationBytes = 64 << 10 })
	tn := c.follower()
	placed := c.apply(tn, upsert(1))
	for name, b := range map[string]func(*store.Batch){
		"conflict of an allocation": func(b *store.Batch) { b.Expect(storetest.ID(1), 1); b.Upsert(mock(2)) },
		"conflict of a list":        func(b *store.Batch) { b.ExpectList(store.Node("node1").NonTerminal(), 1); b.Upsert(mock(2)) },
		"conflict of a prefix":      func(b *store.Batch) { b.ExpectList(store.Prefix("0000"), 1); b.Upsert(mock(2)) },
		"wrong ID":                  func(b *store.Batch) { b.Delete("x") },
		"no job":                    func(b *store.Batch) { a := mock(3); a.Job = nil; b.Upsert(a) },
		"too large": func(b *store.Batch) {
			a := mock(4)
			a.Name = string(make([]byte, 70<<10))
			b.Upsert(a)
		},
	} {
		var batch store.Batch
		b(&batch)
		_, far := tn.Apply(t.Context(), &batch)
		_, near := c.leader().Apply(t.Context(), &batch)
		require.Error(t, near, name)
		require.EqualError(t, far, near.Error(), name)
		for _, s := range sentinels {
			require.Equal(t, errors.Is(near, s), errors.Is(far, s), "%s: %v", name, s)
		}
		var here, there *store.ConflictError
		if errors.As(near, &here) {
			require.True(t, errors.As(far, &there), name)
			require.Equal(t, *here, *there, name)
		}
		require.NotErrorIs(t, far, ErrOutcomeUnknown, name)
	}
	var unknown store.Batch
	unknown.Delete(storetest.ID(7))
	unknown.Upsert(mock(1))
	a := c.apply(tn, &unknown)
	require.Equal(t, store.Applied{Index: placed.Index, Unknown: []string{storetest.ID(7)}, Unchanged: 1}, a)
}

// TestRefusalIsNoTimeout: a follower that is cut off from the log, and forwards, returns the refusal of a batch. It does not say
// that the batch is applied.
func TestRefusalIsNoTimeout(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	tn := c.follower()
	c.place(tn, 1, 2)
	c.isolate(tn)
	c.mu.Lock()
	c.links[tn.address] = tn
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var b store.Batch
	b.Expect(storetest.ID(1), 1)
	b.Delete(storetest.ID(1))
	_, err := tn.Apply(ctx, &b)
	require.ErrorIs(t, err, store.ErrConflict)
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	applied, err := tn.Apply(ctx, upsert(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotZero(t, applied.Index, "it is applied, and not shown here")
	c.rejoin(tn)
}

// TestLoneWriteOnAFollower: the leader tells its followers soon what is committed. Raft's default would delay each write on
// a follower by 50 ms at least, if no other write follows.
func TestLoneWriteOnAFollower(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	tn := c.follower()
	fastest := patience
	for i := range 20 {
		began := time.Now()
		c.place(tn, uint32(i), uint32(i+1))
		fastest = min(fastest, time.Since(began))
	}
	require.Less(t, fastest, 40*time.Millisecond)
}

// TestReadYourWrites: when Apply returns on a follower, this node shows the batch, although raft's applied index runs
// ahead of the store. The index of a refused batch is applied too, and is no LastIndex.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	tn := c.follower()
	var tasks sync.WaitGroup
	for w := range uint32(8) {
		tasks.Go(func() {
			for i := range uint32(25) {
				id := w*1000 + i
				a, err := c.attempt(tn, upsert(id))
				got, missing := tn.Store().Get(storetest.ID(id))
				if err != nil || missing != nil || got.ModifyIndex != a.Index {
					t.Errorf("%d: %v, %v", id, err, missing)
				}
			}
		})
	}
	tasks.Wait()
	last, applied := tn.Store().LastIndex(), tn.Store().AppliedIndex()
	var b store.Batch
	b.Expect(storetest.ID(1), 1)
	b.Delete(storetest.ID(1))
	_, err := c.attempt(tn, &b)
	require.ErrorIs(t, err, store.ErrConflict)
	require.Equal(t, last, tn.Store().LastIndex())
	require.Greater(t, tn.Store().AppliedIndex(), applied)
	c.equal()
}

// TestOneCommitForManyEntries applies entries that raft gives together in one commit.
func TestOneCommitForManyEntries(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, func(c *Config) {
		was := c.Raft
		c.Raft = func(r *raft.Config) { n := r.MaxAppendEntries; was(r); r.MaxAppendEntries = n }
	})
	tn := c.leader()
	before := tn.Store().Stats()
	// The FSM is held, as by a slow disk, while batches queue up in raft.
	const writers = 256
	tn.fsm.mu.Lock()
	first := tn.raft.LastIndex()
	var tasks sync.WaitGroup
	for i := range uint32(writers) {
		tasks.Go(func() {
			if _, err := tn.Apply(t.Context(), upsert(i)); err != nil {
				t.Error(err)
			}
		})
	}
	c.until("all are in the log", func() bool { return tn.raft.CommitIndex() >= first+writers })
	tn.fsm.mu.Unlock()
	tasks.Wait()
	after := tn.Store().Stats()
	require.Equal(t, before.Batches+writers, after.Batches)
	require.Less(t, after.Commits-before.Commits, uint64(writers/2))
}

// TestClosedNode ends all calls.
func TestClosedNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.leader()
	require.NoError(t, tn.Close())
	require.NoError(t, tn.Close())
	_, err := tn.Apply(t.Context(), upsert(1))
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = tn.Read(t.Context(), Stale)
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = tn.Handle(t.Context(), []byte{requestLease})
	require.ErrorIs(t, err, store.ErrClosed)
	require.ErrorIs(t, tn.Restore(t.Context(), nil), store.ErrClosed)
	require.ErrorIs(t, tn.Join(t.Context(), Member{ID: "x", Address: "x"}), store.ErrClosed)
}

// TestNoForward: without Config.Forward a follower refuses writes and fresh reads, and serves stale ones.
func TestNoForward(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, func(c *Config) { c.Forward = nil })
	tn := c.follower()
	_, err := tn.Apply(t.Context(), upsert(1))
	require.ErrorIs(t, err, ErrNotLeader)
	for _, consistency := range []Consistency{Leader, Linearizable} {
		_, err = tn.Read(t.Context(), consistency)
		require.ErrorIs(t, err, ErrNotLeader)
	}
	info, err := tn.Read(t.Context(), Stale)
	require.NoError(t, err)
	require.True(t, info.KnownLeader)
}

// TestConfigIsChecked reports all faults at once.
func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := Open(t.TempDir(), &Config{Store: &store.Options{MaxBatchBytes: -1}})
	require.ErrorIs(t, err, store.ErrInvalid)
	for _, fault := range []string{"Config.ID", "Config.Transport", "MaxBatchBytes"} {
		require.ErrorContains(t, err, fault)
	}
	_, err = Open(t.TempDir(), nil)
	require.ErrorIs(t, err, store.ErrInvalid)
}

// TestWritesOnTheStoreAreRefused: only the log writes.
func TestWritesOnTheStoreAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	_, err := c.nodes[0].Store().Upsert(t.Context(), mock(1))
	require.ErrorIs(t, err, store.ErrReplicated)
}

// TestCanceled: a call whose context has ended does nothing.
func TestCanceled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.nodes[0].Apply(ctx, upsert(1))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrOutcomeUnknown)
	_, err = c.nodes[0].Store().Get(storetest.ID(1))
	require.ErrorIs(t, err, store.ErrNotFound, fmt.Sprint(err))
}

// TestEntryTooLargeForTheLog: the log would write an entry above 64 MiB, and refuse to read it after a restart.
func TestEntryTooLargeForTheLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	last := tn.raft.LastIndex()
	_, err := tn.propose(t.Context(), &entry{batch: make([]byte, maxEntryBytes)})
	require.ErrorIs(t, err, store.ErrTooLarge)
	require.Equal(t, last, tn.raft.LastIndex())
}

// TestFloorIsRaisedRarely: the floor follows the index with the retention between, in steps, and never goes back.
func TestFloorIsRaisedRarely(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, store.DefaultFeedRetention, retention(nil))
	require.EqualValues(t, minRetention, retention(&store.Options{FeedRetention: -1}))
	require.EqualValues(t, 9999, retention(&store.Options{FeedRetention: 9999}))
	var f floor
	require.Zero(t, f.next(100, 100))
	require.EqualValues(t, 1, f.next(101, 100), "the first one, so that compaction begins")
	require.Zero(t, f.next(100+floorEntries, 100))
	require.EqualValues(t, 1+floorEntries, f.next(101+floorEntries, 100))
	f.pass(5)
	require.Zero(t, f.next(102+floorEntries, 100))
	f.pass(4 * floorEntries) // of another leader
	require.Zero(t, f.next(3*floorEntries, 100))
	f.raised = f.raised.Add(-floorInterval)
	require.EqualValues(t, 4*floorEntries+1, f.next(4*floorEntries+101, 100))
}
