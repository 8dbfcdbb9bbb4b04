package raftstore

import (
	"bytes"
	"os"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/storetest"
)

// TestMembers adds a non-voter, makes it a voter, takes the vote away, and replaces a dead node.
func TestMembers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	c.place(c.nodes[0], 0, 20)
	require.ErrorIs(t, c.follower().Join(t.Context(), Member{ID: "x"}), store.ErrInvalid)
	require.ErrorContains(t, c.follower().Transfer(t.Context(), "x"), `"x" is no voter`)
	require.ErrorIs(t, c.nodes[0].Bootstrap(Member{ID: "n0", Address: "n0", Voter: true}), raft.ErrCantBootstrap)
	for _, voter := range []bool{false, true, false} {
		if len(c.nodes) == 3 {
			c.add()
		}
		added := c.nodes[3]
		require.NoError(t, c.follower().Join(t.Context(), Member{added.id, added.address, voter}))
		all, err := c.leader().Members()
		require.NoError(t, err)
		require.Contains(t, all, Member{added.id, added.address, voter})
		c.equal()
		c.place(added, 30, 31)
	}

	dead := c.follower()
	c.shut(dead)
	require.NoError(t, os.RemoveAll(c.dirOf(dead)))
	require.NoError(t, c.follower().Leave(t.Context(), dead.id))
	c.place(c.leader(), 40, 45)
	c.open(dead)
	require.NoError(t, c.leader().Join(t.Context(), Member{dead.id, dead.address, true}))
	c.equal()
	all, err := dead.Members()
	require.NoError(t, err)
	require.Len(t, all, 4)
}

// TestImpossibleChanges: a change that raft refuses has a known outcome, on any node: nothing has happened.
func TestImpossibleChanges(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	leads, f := c.leader(), c.follower()
	before, err := leads.Members()
	require.NoError(t, err)
	for _, tn := range []*testNode{leads, f} {
		for name, refused := range map[string]error{
			"another one's address": tn.Join(t.Context(), Member{"x", f.address, true}),
			"a member's":            tn.Join(t.Context(), Member{leads.id, f.address, true}),
			"no such kind":          tn.changeAnywhere(t.Context(), &change{Kind: "x", Member: Member{ID: "y", Address: "y"}}),
			"no ID":                 tn.changeAnywhere(t.Context(), &change{Kind: joins, Member: Member{Address: "y"}}),
			"no address":            tn.changeAnywhere(t.Context(), &change{Kind: joins, Member: Member{ID: "y"}}),
		} {
			require.ErrorIs(t, refused, store.ErrInvalid, name)
			require.NotErrorIs(t, refused, ErrOutcomeUnknown, name)
		}
	}
	after, err := leads.Members()
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, f.Leave(t.Context(), "nobody"))

	alone := newCluster(t, 1, nil, nil).nodes[0]
	require.ErrorIs(t, alone.Leave(t.Context(), alone.id), store.ErrInvalid)
	require.ErrorIs(t, alone.Join(t.Context(), Member{alone.id, alone.address, false}), store.ErrInvalid)
	require.Equal(t, raft.Leader, alone.raft.State())
}

// TestVoterWithANewAddress: a voter that becomes a non-voter gets its new address, too.
func TestVoterWithANewAddress(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	f := c.follower()
	require.NoError(t, c.leader().Join(t.Context(), Member{f.id, "elsewhere", false}))
	all, err := c.leader().Members()
	require.NoError(t, err)
	require.Contains(t, all, Member{f.id, "elsewhere", false})
}

// TestTransfer gives the leadership to a node, asked on that node, and from the leader to any other.
func TestTransfer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	next := c.follower()
	require.NoError(t, next.Transfer(t.Context(), next.id))
	require.Equal(t, next, c.leader())
	require.NoError(t, next.Transfer(t.Context(), next.id), "it leads already")
	require.NoError(t, next.Transfer(t.Context(), ""))
	require.NotEqual(t, next, c.leader())
	c.place(next, 0, 5)
	c.equal()
}

// backupOf returns a backup of a store with some allocations, above an index.
func backupOf(t *testing.T, index uint64, ids ...uint32) []byte {
	t.Helper()
	s, err := store.Open(t.TempDir()+"/backup.db", &store.Options{Logger: quiet})
	require.NoError(t, err)
	defer s.Close()
	for i, id := range ids {
		_, err := s.ApplyAt(t.Context(), index+uint64(i), upsert(id))
		require.NoError(t, err)
	}
	var b bytes.Buffer
	_, err = s.Backup(t.Context(), &b)
	require.NoError(t, err)
	return b.Bytes()
}

// TestOperatorsRestore replaces the content on all nodes, at one index, which no index of before is above. Readers are told
// on all of them. A backup with later indexes than the log's can be restored too, and a wrong one changes nothing.
func TestOperatorsRestore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	c.place(c.nodes[0], 0, 20)
	before := c.equal()
	require.ErrorIs(t, c.follower().Restore(t.Context(), bytes.NewReader(backupOf(t, 5, 1))), ErrNotLeader)
	good := backupOf(t, 5, 100, 101)
	leads := c.leader()
	for _, bad := range [][]byte{nil, good[:len(good)-1], append(bytes.Clone(good[:40]), make([]byte, 40)...)} {
		require.ErrorIs(t, leads.Restore(t.Context(), bytes.NewReader(bad)), store.ErrCorrupt)
	}
	require.Equal(t, string(before), string(c.equal()))

	for i, backup := range [][]byte{good, backupOf(t, 1<<40, 200, 201)} {
		told := make(chan store.WaitResult, 3)
		for _, tn := range c.nodes {
			at := tn.Store().LastIndex()
			go func() {
				r, err := tn.Store().Wait(t.Context(), storetest.ID(5), store.QueryOptions{MinQueryIndex: at, MaxQueryTime: patience})
				if err != nil {
					t.Error(err)
				}
				told <- r
			}()
		}
		last := leads.Store().LastIndex()
		require.NoError(t, leads.Restore(t.Context(), bytes.NewReader(backup)))
		c.equal()
		marked := leads.Store().LastIndex()
		require.Greater(t, marked, last)
		for range c.nodes {
			r := <-told
			require.Equal(t, store.Restored, r.Outcome)
			require.Equal(t, marked, r.Index)
		}
		for _, tn := range c.nodes {
			require.Equal(t, 2, tn.Store().Stats().Allocations)
			_, err := tn.Store().Get(storetest.ID(uint32(100 * (i + 1))))
			require.NoError(t, err)
		}
		require.NoDirExists(t, leads.fsm.path(restoreDirName))
	}
	c.place(c.follower(), 300, 303)
	for _, tn := range c.nodes {
		c.shut(tn)
	}
	for _, tn := range c.nodes {
		c.open(tn)
	}
	c.equal()
	require.Equal(t, 5, c.nodes[0].Store().Stats().Allocations)
}

// TestFailedRestoreHalts: raft panics if an operator's restore fails in the FSM. The node halts, and keeps its log.
func TestFailedRestoreHalts(t *testing.T) {
	t.Parallel()
	var tn *testNode
	c := newCluster(t, 1, nil, func(c *Config) {
		c.reached = func(step string) {
			if step == "before the exchange" {
				_ = tn.store.Close()
			}
		}
	})
	tn = c.nodes[0]
	c.place(tn, 0, 5)
	first, err := tn.wal.FirstIndex()
	require.NoError(t, err)
	require.ErrorIs(t, tn.Restore(t.Context(), bytes.NewReader(backupOf(t, 5, 1))), ErrHalted)
	c.until("its owner is told", func() bool { return len(c.haltedErrors()) == 1 })
	now, err := tn.wal.FirstIndex()
	require.NoError(t, err)
	require.Equal(t, first, now)
	c.tune = nil
	c.shut(tn)
	c.open(tn)
	c.leader()
	require.Equal(t, 5, tn.Store().Stats().Allocations)
}
