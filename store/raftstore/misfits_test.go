package raftstore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/storetest"
)

// TestStartKeepsTheStore: raft's default at start restores its newest snapshot over a store that is ahead. The content
// would go back.
func TestStartKeepsTheStore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, func(c *Config) {
		was := c.Raft
		c.Raft = func(r *raft.Config) { was(r); r.NoSnapshotRestoreOnStart = false } // which is not the owner's to decide
	})
	tn := c.nodes[0]
	c.place(tn, 0, 30)
	c.snapshot(tn)
	c.place(tn, 30, 60)
	before, last, applied := content(t, tn.Store()), tn.Store().LastIndex(), tn.Store().AppliedIndex()
	c.shut(tn)
	c.open(tn)
	require.Equal(t, string(before), string(content(t, tn.Store())))
	require.Equal(t, last, tn.Store().LastIndex())
	require.Equal(t, applied, tn.Store().AppliedIndex())
	c.leader()
	c.place(tn, 60, 70)
	require.Equal(t, 70, tn.Store().Stats().Allocations)
}

// TestSnapshotCopiesNothing: the log is cut, and the index that raft lists is durable in the store.
func TestSnapshotCopiesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 50)
	c.snapshot(tn)
	first, err := tn.wal.FirstIndex()
	require.NoError(t, err)
	require.Greater(t, first, uint64(30))
	files, err := os.ReadDir(c.dirOf(tn))
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	require.ElementsMatch(t, []string{"." + storeName + ".lock", storeName, logName, metaName}, names)

	killed := filepath.Join(t.TempDir(), "killed")
	copyDir(t, c.dirOf(tn), killed)
	s, err := store.Open(filepath.Join(killed, storeName), &store.Options{Replicated: true, Logger: quiet})
	require.NoError(t, err)
	defer s.Close()
	m, err := readMeta(filepath.Join(killed, metaName))
	require.NoError(t, err)
	require.GreaterOrEqual(t, s.AppliedIndex(), m.Index)
	require.GreaterOrEqual(t, m.Index+1, first)
}

// behind returns a cluster with a follower that was away for so long that only a snapshot brings it back. It is closed.
func behind(t *testing.T, tcp *TransportOptions, tune func(*Config)) (*cluster, *testNode) {
	t.Helper()
	c := newCluster(t, 3, tcp, tune)
	away := c.follower()
	c.place(c.leader(), 0, 10)
	c.equal()
	c.shut(away)
	c.place(c.leader(), 10, 60)
	for _, tn := range c.nodes {
		if tn != away {
			c.until("all is applied", func() bool { return tn.Store().Stats().Allocations == 60 })
			c.snapshot(tn)
		}
	}
	c.place(c.leader(), 60, 70) // the snapshot that is sent has them too
	return c, away
}

// TestInstall brings a follower back by a snapshot, whose index is that of its content.
func TestInstall(t *testing.T) {
	t.Parallel()
	for name, tcp := range map[string]*TransportOptions{"memory": nil, "tcp": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, away := behind(t, tcp, nil)
			c.open(away)
			c.equal()
			c.installed(away, 60)
			c.place(away, 100, 110)
			c.shut(away)
			c.open(away)
			c.equal()
		})
	}
}

// TestRestartedLeaderInstalls: of three nodes one is dead, one must be installed anew, and the third has just started. It cannot
// have entries committed before the second one has them, and must not wait for that to send its content.
func TestRestartedLeaderInstalls(t *testing.T) {
	t.Parallel()
	c, away := behind(t, nil, nil)
	leads := c.leader()
	for _, tn := range c.nodes {
		if tn != leads && tn != away {
			c.shut(tn)
		}
	}
	require.Greater(t, leads.Store().AppliedIndex(), leads.fsm.mu.meta.Index)
	c.shut(leads)
	c.open(leads)
	c.open(away)
	c.place(c.leader(), 100, 105)
	c.equal()
	c.installed(away, 60)
}

// TestCrashBetweenStoringAndRestore kills a follower at both steps of an installation, before and after the exchange. It
// starts again without being behind for ever, and without an index that its store lacks.
func TestCrashBetweenStoringAndRestore(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"before the exchange", "after the exchange"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			var dir string
			killed := filepath.Join(t.TempDir(), "killed")
			var once sync.Once
			var mu sync.Mutex // guards dir
			c, away := behind(t, nil, func(c *Config) {
				c.reached = func(at string) {
					mu.Lock()
					defer mu.Unlock()
					if at == step && dir != "" {
						once.Do(func() { copyDir(t, dir, killed) })
					}
				}
			})
			mu.Lock()
			dir = c.dirOf(away)
			mu.Unlock()
			c.open(away)
			c.equal()
			c.installed(away, 60)
			c.shut(away)
			copyDir(t, killed, c.dirOf(away))
			c.open(away)
			m, applied := away.fsm.mu.meta, away.Store().AppliedIndex()
			require.LessOrEqual(t, m.Index, applied)
			if step == "after the exchange" {
				require.Greater(t, m.Index, uint64(60), "the installation was finished")
			}
			require.NoFileExists(t, away.fsm.path(nextMetaName))
			c.place(c.leader(), 200, 205)
			c.equal()
		})
	}
}

// TestFailedStoreGivesUpLeadership: after an error of its store a leader leads no more, takes no snapshot, keeps its log
// and tells its owner once. Nothing that was acknowledged is lost.
func TestFailedStoreGivesUpLeadership(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	tn := c.leader()
	c.place(tn, 0, 40)
	c.equal()
	first, err := tn.wal.FirstIndex()
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(c.dirOf(tn), storeName))) // the store notices in some seconds
	acknowledged := uint32(40)
	for ; ; acknowledged++ {
		_, err = tn.Apply(t.Context(), upsert(acknowledged))
		if err != nil {
			break
		}
		require.Less(t, acknowledged, uint32(1<<20))
	}
	require.True(t, errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrHalted), "%v", err)
	c.until("its owner is told", func() bool { return len(c.haltedErrors()) == 1 })
	require.ErrorIs(t, c.haltedErrors()[0], ErrHalted)
	require.ErrorIs(t, c.haltedErrors()[0], store.ErrDetached)
	require.ErrorContains(t, c.haltedErrors()[0], anew)
	require.ErrorIs(t, tn.raft.Apply(nil, 0).Error(), raft.ErrRaftShutdown)
	_, err = tn.fsm.Snapshot()
	require.ErrorIs(t, err, ErrHalted)
	cut := &guardedLog{LogStore: tn.wal, halt: tn.halt, files: tn.files, base: &tn.fsm.base}
	require.ErrorIs(t, cut.DeleteRange(1, 10), ErrHalted)
	require.ErrorIs(t, cut.StoreLog(&raft.Log{}), ErrHalted)
	_, err = tn.Read(t.Context(), Stale)
	require.ErrorIs(t, err, ErrHalted)
	_, err = tn.Handle(t.Context(), []byte{requestLease})
	require.ErrorIs(t, err, ErrHalted)
	now, err := tn.wal.FirstIndex()
	require.NoError(t, err)
	require.Equal(t, first, now)

	next := c.leader()
	require.NotEqual(t, tn.id, next.id)
	for i := range acknowledged {
		_, err := next.Store().Get(storetest.ID(i))
		require.NoError(t, err, "%d of %d", i, acknowledged)
	}
	c.place(next, 1<<21, 1<<21+5)

	// The way back that the message names.
	require.NoError(t, next.Leave(t.Context(), tn.id))
	c.shut(tn)
	require.NoError(t, os.RemoveAll(c.dirOf(tn)))
	c.open(tn)
	require.NoError(t, next.Join(t.Context(), Member{tn.id, tn.address, true}))
	c.equal()
	require.Len(t, c.haltedErrors(), 1)
}

// TestUnknownEntryHalts: an entry of a later release is not skipped.
func TestUnknownEntryHalts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	waiting := make(chan error, 1)
	go func() { waiting <- tn.show(t.Context(), 1<<40) }()
	f := tn.raft.Apply(appendSum([]byte{entryVersion + 1, 0, 0, 0, 0}), 0)
	require.NoError(t, f.Error())
	_, err := outcomeOf(f.Response())
	require.ErrorIs(t, err, store.ErrFormatVersion)
	require.ErrorIs(t, err, ErrHalted)
	require.Equal(t, f.Index()-1, tn.Store().AppliedIndex())
	require.ErrorIs(t, <-waiting, ErrHalted)
	c.until("its owner is told", func() bool { return len(c.haltedErrors()) == 1 })
}

// TestRefusalsAreEqual: the limits of the entry count, and not those of the nodes. So all nodes refuse the same
// batches, also when they apply the log again.
func TestRefusalsAreEqual(t *testing.T) {
	t.Parallel()
	opened := 0
	c := newCluster(t, 3, nil, func(c *Config) {
		opened++
		c.Store.MaxAllocationBytes = 4096 * (1 + opened%3)
		c.Store.FeedRetention = -opened
	})
	large := mock(1)
	large.Name = string(make([]byte, 10<<10))
	var refused int
	for i, tn := range c.nodes {
		var b store.Batch
		b.Upsert(mock(uint32(100 + i)))
		b.Upsert(large)
		if _, err := tn.Apply(t.Context(), &b); errors.Is(err, store.ErrTooLarge) {
			refused++
		} else {
			require.NoError(t, err)
		}
	}
	require.NotZero(t, refused)
	require.Less(t, refused, 3)
	want := c.equal()
	for _, tn := range c.nodes {
		c.shut(tn)
		require.NoError(t, os.Remove(filepath.Join(c.dirOf(tn), storeName))) // the log has everything
	}
	for _, tn := range c.nodes {
		c.open(tn)
	}
	require.Equal(t, string(want), string(c.equal()))
}

// TestInstallKeepsReaders: an installed snapshot is the same history. Waits and feeds go on, and no reader is told of a
// restore.
func TestInstallKeepsReaders(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	away := c.follower()
	c.place(c.leader(), 0, 10)
	c.equal()
	at := away.Store().LastIndex()
	type woken struct {
		result store.WaitResult
		err    error
	}
	waiting := make(chan woken, 1)
	go func() {
		r, err := away.Store().Wait(t.Context(), storetest.ID(3), store.QueryOptions{MinQueryIndex: at, MaxQueryTime: patience})
		waiting <- woken{r, err}
	}()
	feed := make(chan uint64, 100)
	go func() {
		for change, err := range away.Store().Changes(t.Context(), at) {
			if err != nil {
				if t.Context().Err() == nil && !errors.Is(err, store.ErrClosed) {
					t.Error(err)
				}
				return
			}
			feed <- change.Index
		}
	}()
	c.isolate(away)
	c.place(c.leader(), 10, 60)
	var b store.Batch
	b.SetClientStatus(storetest.ID(3), "running", "")
	changed := c.apply(c.leader(), &b)
	for _, tn := range c.nodes {
		if tn != away {
			c.until("all is applied", func() bool { return tn.Store().AppliedIndex() >= changed.Index })
			c.snapshot(tn)
		}
	}
	require.Empty(t, waiting)
	c.rejoin(away)
	c.equal()
	c.installed(away, 0)
	w := <-waiting
	require.NoError(t, w.err)
	require.Equal(t, changed.Index, w.result.Index)
	require.Equal(t, changed.Index, w.result.Alloc.ModifyIndex)
	for next := at; next < changed.Index; {
		got := <-feed
		require.Greater(t, got, next)
		next = got
	}
}

// TestPinningWaitsForNothing: a snapshot is taken, and one is sent, while Compact runs.
func TestPinningWaitsForNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 20)
	ctx, cancel := context.WithCancel(t.Context())
	compacting := make(chan struct{})
	go func() {
		defer close(compacting)
		for ctx.Err() == nil {
			_ = tn.Store().Compact(ctx)
		}
	}()
	for i := range uint32(5) {
		c.place(tn, 20+i, 21+i)
		c.snapshot(tn)
	}
	cancel()
	<-compacting
}

// TestCloseLeavesNothingLocked opens a node again in the same process: raft-wal leaves its metadata locked.
func TestCloseLeavesNothingLocked(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	for i := range uint32(3) {
		c.leader()
		c.place(c.nodes[0], i, i+1)
		c.shut(c.nodes[0])
		opened := make(chan error, 1)
		go func() { opened <- c.tryOpen(c.nodes[0]) }()
		select {
		case err := <-opened:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Fatal("the directory is locked")
		}
	}
	require.Equal(t, 3, c.nodes[0].Store().Stats().Allocations)
}

// installed waits until a node's newest snapshot is one above an index.
func (c *cluster) installed(tn *testNode, above uint64) {
	c.t.Helper()
	c.until("a snapshot was installed", func() bool {
		m, err := readMeta(tn.fsm.path(metaName))
		return err == nil && m.Index > above
	})
}

// stream returns a snapshot as the node would send it.
func stream(t *testing.T, tn *testNode) (*raft.SnapshotMeta, []byte) {
	t.Helper()
	s := &snapshots{tn.fsm, tn.ctx}
	m, r, err := s.Open("")
	require.NoError(t, err)
	defer r.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	require.NoError(t, err)
	require.EqualValues(t, m.Size, b.Len())
	return m, b.Bytes()
}
