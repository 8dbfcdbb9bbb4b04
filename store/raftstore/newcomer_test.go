package raftstore

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// only connects two nodes of the in-memory transport, and nothing else with either of them.
func (c *cluster) only(a, b *testNode) {
	c.isolate(a)
	c.isolate(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	link(a.trans, b.trans)
}

// TestWipedNodeElectsNobody: a node leaves, loses its directory and starts again, while another one has heard of none of it.
// The two are a majority of the members that the latter knows. They must not elect a leader beside that of the others.
func TestWipedNodeElectsNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	leads := c.leader()
	c.place(leads, 0, 10)
	c.equal()
	var wiped, behind *testNode
	for _, tn := range c.nodes {
		if tn != leads && wiped == nil {
			wiped = tn
		} else if tn != leads {
			behind = tn
		}
	}
	c.isolate(behind)
	added := c.add()
	require.NoError(t, leads.Join(t.Context(), Member{added.id, added.address, true}))
	c.place(leads, 10, 20)
	require.NoError(t, leads.Leave(t.Context(), wiped.id))
	c.shut(wiped)
	require.NoError(t, os.RemoveAll(c.dirOf(wiped)))
	c.open(wiped)
	c.only(behind, wiped)
	require.Never(t, func() bool { return behind.raft.State() == raft.Leader }, 4*time.Second, time.Millisecond, "two leaders at a time")
	c.place(leads, 20, 25)

	// Once it is a member again, and has caught up, it votes, also after a restart on the way.
	c.rejoin(behind)
	c.rejoin(wiped)
	require.NoError(t, leads.Join(t.Context(), Member{wiped.id, wiped.address, true}))
	c.equal()
	c.shut(wiped)
	c.open(wiped)
	c.equal()
	c.until("it is no newcomer", func() bool { _, err := os.Stat(wiped.fsm.path(newcomerName)); return os.IsNotExist(err) })
	c.shut(leads)
	c.shut(added)
	c.open(added)
	c.place(c.leader(), 30, 31)
}

// TestNewcomerKeepsItsTarget: a node that is killed while it catches up is still a newcomer, and has the same index to reach.
func TestNewcomerKeepsItsTarget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := newNewcomer(dir, 0, 0, nil)
	require.NoError(t, err)
	require.Zero(t, c.target)
	require.NoError(t, c.write(place{70, 3}))
	again, err := newNewcomer(dir, 5, 0, nil)
	require.NoError(t, err)
	require.Equal(t, place{70, 3}, again.target)
	again, err = newNewcomer(dir, 0, 0, nil)
	require.NoError(t, err)
	require.Equal(t, place{70, 3}, again.target, "killed before its first entry")
	require.NoError(t, os.WriteFile(c.path, []byte("x"), 0o600))
	again, err = newNewcomer(dir, 5, 0, nil)
	require.NoError(t, err)
	require.Zero(t, again.target)
	require.NoError(t, again.finish())
	require.NoError(t, again.finish())
	require.NoFileExists(t, c.path)
	again, err = newNewcomer(dir, 5, 0, nil)
	require.NoError(t, err)
	require.Nil(t, again, "it has caught up before")
	require.NoError(t, again.finish())
}

// TestBootstrapThatWasInterrupted: a node is killed after the first entry is in its log, and before it is noted that it votes. It has
// heard no leader, so the entry comes from Bootstrap. A node that has only a snapshot has no such entry.
func TestBootstrapThatWasInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := newNewcomer(dir, 0, 0, nil)
	require.NoError(t, err)
	c, err := newNewcomer(dir, 80, 70, nil)
	require.NoError(t, err)
	require.NotNil(t, c)
	c, err = newNewcomer(dir, 1, 0, nil)
	require.NoError(t, err)
	require.Nil(t, c)
	require.NoFileExists(t, filepath.Join(dir, newcomerName))
}

// TestVotesOfNewcomers: before a node has caught up it votes as if it had, or in the first elections of a cluster. Otherwise a
// first leader that is deposed before the others have its entries would find no voter.
func TestVotesOfNewcomers(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		target    place
		own       uint64
		candidate place
		may       bool
	}{
		{place{}, 0, place{1, 1}, true},
		{place{}, 0, place{3, 2}, true},
		{place{}, 0, place{3, 3}, false},
		{place{}, 0, place{5, 2}, false},
		{place{}, 5, place{5, 2}, false},
		{place{3, 2}, 0, place{3, 2}, true},
		{place{3, 2}, 0, place{2, 2}, false},
		{place{90, 7}, 40, place{95, 7}, true},
		{place{90, 7}, 40, place{89, 7}, false},
		{place{90, 7}, 40, place{900, 6}, false},
		{place{90, 7}, 40, place{91, 8}, true},
	} {
		c := &newcomer{target: v.target}
		require.Equal(t, v.may, c.mayVoteLocked(v.own, v.candidate), "%+v", v)
	}
}

// TestDeposedFirstLeaderIsElectedAgain: the first leader of a cluster is cut off when the others have heard it, and have none of
// its entries.
func TestDeposedFirstLeaderIsElectedAgain(t *testing.T) {
	t.Parallel()
	c := &cluster{t: t, dir: t.TempDir(), links: make(map[raft.ServerAddress]*testNode)}
	t.Cleanup(c.close)
	var members []Member
	for range 3 {
		tn := c.add()
		members = append(members, Member{tn.id, tn.address, true})
	}
	for _, tn := range c.nodes[1:] {
		require.NoError(t, tn.newcomer.hearLocked(&raft.AppendEntriesRequest{PrevLogEntry: 2, PrevLogTerm: 2}))
		require.Equal(t, place{2, 2}, tn.newcomer.target)
	}
	first := c.nodes[0]
	require.NoError(t, first.Bootstrap(members...))
	require.Never(t, func() bool { return first.raft.State() == raft.Leader }, 2*time.Second, 10*time.Millisecond, "its log is behind")
	for _, tn := range c.nodes[1:] {
		tn.newcomer.mu.Lock()
		tn.newcomer.target = place{1, 1}
		tn.newcomer.mu.Unlock()
	}
	c.leader()
	c.place(c.leader(), 0, 5)
	c.equal()
}

// TestLostEndIsNoTarget: a new node has heard of entries that no other node has, and their leader is lost. It has a committed
// entry of that leader's term, so it has caught up, and elects with the others.
func TestLostEndIsNoTarget(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	c.place(c.leader(), 0, 5)
	leads := c.leader()
	added := c.add()
	require.NoError(t, added.newcomer.hearLocked(&raft.AppendEntriesRequest{PrevLogEntry: 1 << 20, PrevLogTerm: 1 << 10}))
	require.NoError(t, leads.Join(t.Context(), Member{added.id, added.address, true}))
	c.equal()
	c.isolate(added)
	c.place(leads, 10, 12)
	c.shut(leads)
	c.rejoin(added)
	c.place(c.leader(), 20, 25) // elected by all three that are left of four, and the new one is behind
}
