package nomadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// A load is two clients that write while nodes die: one posts batches, each to the next node that runs, and
// allocctl import writes a file through one node.
type load struct {
	t       *testing.T
	all     []*process
	posted  atomic.Int64 // batches that were acknowledged
	ending  chan struct{}
	tasks   sync.WaitGroup
	retries atomic.Int64
	failed  atomic.Pointer[string]
}

// write posts allocations one by one until the load ends. A batch without a good answer is sent again, to another node: an
// upsert that was done already changes nothing.
func (l *load) write() {
	for n := 0; ; n++ {
		b := new(store.Batch)
		b.Upsert(allocation(1, n))
		for try := 0; ; try++ {
			status, text := post(l.all[(n+try)%len(l.all)], b)
			if status == http.StatusOK || status == http.StatusAccepted {
				break
			}
			if status != 0 && status < 500 {
				l.failed.Store(&text)
				return
			}
			l.retries.Add(1)
			time.Sleep(10 * time.Millisecond)
		}
		l.posted.Add(1)
		select {
		case <-l.ending:
			return
		default:
		}
	}
}

// importFile writes a file of n allocations by allocctl import, one after another.
func (l *load) importFile(through *process, n int) {
	path := filepath.Join(l.t.TempDir(), "all.jsonl")
	var text strings.Builder
	for i := range n {
		line, err := json.Marshal(allocation(2, i))
		require.NoError(l.t, err)
		text.Write(line)
		text.WriteByte('\n')
	}
	require.NoError(l.t, os.WriteFile(path, []byte(text.String()), 0o600))
	l.tasks.Go(func() {
		if out, err := run(l.t, "--addr", through.url, "import", path); err != nil {
			text := fmt.Sprintf("import: %v: %s", err, out)
			l.failed.Store(&text)
		}
	})
}

// TestClusterSurvives kills the leader of three processes under load by kill -9. Everything that was acknowledged is
// served by the other two, as HashiCorp's client sees it; the killed process comes back by the same command, and has it too.
func TestClusterSurvives(t *testing.T) {
	t.Parallel()
	atLeast, file := int64(300), 20_000
	if testing.Short() {
		atLeast, file = 50, 3000
	}
	all := three(t)
	leads := leaderOf(t, all)
	left := others(all, leads)
	l := &load{t: t, all: all, ending: make(chan struct{})}
	l.tasks.Go(l.write)
	until(t, "writes", func() bool { return l.posted.Load() >= atLeast })
	l.importFile(left[0], file)
	leads.kill()
	before := l.posted.Load()
	until(t, "writes after the leader was killed", func() bool { return l.posted.Load() >= before+atLeast })
	close(l.ending)
	l.tasks.Wait()
	if failed := l.failed.Load(); failed != nil {
		require.Fail(t, *failed)
	}
	require.Positive(t, l.retries.Load(), "a client has noticed the failure")
	for _, p := range left {
		for n := range int(l.posted.Load()) {
			served(t, p, 1, n, nil)
		}
		for n := range file {
			if n%97 == 0 || n == file-1 {
				served(t, p, 2, n, nil)
			}
		}
	}
	leads.start()
	q := &api.QueryOptions{AllowStale: true}
	until(t, "contact with the new leader", func() bool {
		_, meta, err := leads.client.Allocations().Info(allocation(1, int(l.posted.Load())-1).ID, q)
		return err == nil && meta.KnownLeader
	})
	for n := range int(l.posted.Load()) {
		served(t, leads, 1, n, q)
	}
	require.Len(t, strings.Fields(must(t, "cluster", "status", "--addr", leads.url)), 4*7, "all answer")
}

// served requires that a process serves the n-th allocation of a writer.
func served(t *testing.T, p *process, writer, n int, q *api.QueryOptions) {
	t.Helper()
	want := allocation(writer, n)
	a, meta, err := p.client.Allocations().Info(want.ID, q)
	require.NoError(t, err, "%s: acknowledged, and lost: %s", p.id, want.ID)
	require.Equal(t, want.Name, a.Name)
	require.LessOrEqual(t, a.ModifyIndex, meta.LastIndex)
	require.True(t, meta.KnownLeader)
}

// TestClusterRestarts kills processes and starts them again by their commands: all three at once, and one while the node
// that its --join names is down.
func TestClusterRestarts(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := new(store.Batch)
	b.Upsert(allocation(1, 1))
	status, text := post(all[2], b)
	require.Equal(t, http.StatusOK, status, text)
	for _, p := range all {
		p.kill()
	}
	for _, p := range all {
		p.start()
	}
	for _, p := range all {
		p.contact()
		served(t, p, 1, 1, nil)
	}
	all[0].kill()
	all[2].kill()
	all[2].start()
	leads := leaderOf(t, all)
	require.NotEqual(t, all[0], leads)
	all[2].contact()
	served(t, all[2], 1, 1, nil)
	require.Equal(t, 3, voters(all[2]))

	// The node of --bootstrap has lost its directory. It neither begins a second cluster nor comes back as if it had not.
	dir := all[0].args[4]
	require.NoError(t, os.RemoveAll(dir))
	all[0].start()
	require.Equal(t, 1, all[0].wait())
	require.Contains(t, all[0].said.String(), "a cluster has this node as a member, and its directory was empty")
	require.NoError(t, os.RemoveAll(dir))
	args := append([]string{}, all[0].args...)
	all[0].args = append(args[:len(args)-1], "--join", all[1].url)
	all[0].start()
	require.Equal(t, 1, all[0].wait(), "nor by --join")
	require.Contains(t, all[0].said.String(), "a is a member already")
	must(t, "cluster", "leave", "--addr", all[1].url, "a")
	require.NoError(t, os.RemoveAll(dir))
	all[0].start()
	until(t, "three voters", func() bool { return voters(all[0]) == 3 })
	served(t, all[0], 1, 1, nil)

	// A node that cannot write to its store halts, and says what to do. The others go on.
	require.NoError(t, os.Remove(filepath.Join(all[2].args[4], "store.db")))
	b = new(store.Batch)
	b.Upsert(allocation(1, 2))
	until(t, "a write of the others", func() bool { status, _ := post(all[0], b); return status == http.StatusOK })
	require.Equal(t, 1, all[2].wait())
	require.Contains(t, all[2].said.String(), "allocctl: the node has halted: ")
	require.Contains(t, all[2].said.String(), "(to remove it: allocctl cluster leave --addr OTHER-NODE c)")
	served(t, all[0], 1, 2, nil)
}

// TestClusterLeader ends the leader by SIGTERM: it gives the leadership away, and no election is needed. Then it has
// HashiCorp's client change the members, and leaves one node alone.
func TestClusterLeader(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := new(store.Batch)
	b.Upsert(allocation(1, 1))
	status, text := post(all[1], b)
	require.Equal(t, http.StatusOK, status, text)
	leads := leaderOf(t, all)
	left := others(all, leads)
	timeouts := func() (n int) {
		for _, p := range left {
			n += strings.Count(p.said.String(), "heartbeat timeout reached")
		}
		return n
	}
	before := timeouts()
	require.Zero(t, leads.end())
	now := leaderOf(t, all)
	require.NotEqual(t, leads, now)
	require.Equal(t, before, timeouts(), "no node had to notice by itself")
	leads.start()

	address, err := left[0].client.Status().Leader()
	require.NoError(t, err)
	require.Equal(t, now.args[2], address)
	peers, err := left[1].client.Status().Peers()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{all[0].args[2], all[1].args[2], all[2].args[2]}, peers)
	leads.contact()
	require.NoError(t, left[0].client.Operator().RaftTransferLeadershipByID(leads.id, nil))
	require.Equal(t, leads, leaderOf(t, all))
	require.NoError(t, left[1].client.Operator().RaftTransferLeadershipByAddress(left[0].args[2], nil))
	require.Equal(t, left[0], leaderOf(t, all))

	snapshot, err := leads.client.Operator().Snapshot(nil)
	require.NoError(t, err)
	saved, err := io.ReadAll(snapshot)
	require.NoError(t, err, "the digest is right")
	require.NoError(t, snapshot.Close())
	d := new(store.Batch)
	d.Delete(allocation(1, 1).ID)
	status, text = post(leads, d)
	require.Equal(t, http.StatusOK, status, text)
	_, err = leads.client.Operator().SnapshotRestore(strings.NewReader(string(saved)), nil)
	require.ErrorContains(t, err, "only the leader restores")
	_, err = left[0].client.Operator().SnapshotRestore(strings.NewReader(string(saved)), nil)
	require.NoError(t, err)
	served(t, leads, 1, 1, nil)

	// A follower blocks until the allocation changes.
	_, meta, err := leads.client.Allocations().Info(allocation(1, 1).ID, nil)
	require.NoError(t, err)
	changed := make(chan error, 1)
	go func() {
		a, got, err := leads.client.Allocations().Info(allocation(1, 1).ID, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: patience})
		if err == nil && (a.ClientStatus != "running" || got.LastIndex <= meta.LastIndex || !got.KnownLeader || got.LastContact > patience) {
			err = fmt.Errorf("%+v at %+v", a, got)
		}
		changed <- err
	}()
	time.Sleep(100 * time.Millisecond)
	c := new(store.Batch)
	c.SetClientStatus(allocation(1, 1).ID, "running", "")
	status, text = post(left[0], c)
	require.Equal(t, http.StatusOK, status, text)
	require.NoError(t, <-changed)

	// Removed, a process ends by itself. Then one of the last two is killed, and the other answers stale reads alone.
	require.NoError(t, leads.client.Operator().RaftRemovePeerByID(left[1].id, nil))
	require.Equal(t, 1, left[1].wait())
	require.Contains(t, left[1].said.String(), "was removed from its cluster")
	require.Equal(t, 2, voters(leads))
	left[0].kill()
	stale := &api.QueryOptions{AllowStale: true}
	until(t, "loss of the leader", func() bool {
		_, meta, err := leads.client.Allocations().Info(allocation(1, 1).ID, stale)
		return err == nil && !meta.KnownLeader && meta.LastContact > 500*time.Millisecond
	})
	noLeader := make(chan error, 1)
	go func() {
		_, err := leads.client.Status().Leader()
		noLeader <- err
	}()
	_, _, err = leads.client.Allocations().Info(allocation(1, 1).ID, nil)
	require.ErrorContains(t, err, "No cluster leader")
	require.ErrorContains(t, <-noLeader, "No cluster leader")
	out, err := run(t, "cluster", "status", "--addr", leads.url)
	require.Error(t, err)
	require.Contains(t, out, "no leader: a majority of the voters must run")
	require.Contains(t, out, "no answer")
}
