package raftstore

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// often makes audits frequent.
func often(c *Config) { c.auditInterval = 20 * time.Millisecond }

// TestDigestsAreCompared has a node apply a batch that is not in the log, in the place of one that is. It halts at the next audit,
// and the others go on.
func TestDigestsAreCompared(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, often)
	c.place(c.nodes[0], 0, 5)
	tn := c.follower()
	c.isolate(tn)
	for skipped := true; skipped; { // it may still be on the way from the leader
		results, err := tn.store.ApplyEntries(t.Context(), []store.Entry{{Index: tn.store.AppliedIndex() + 1, Batch: upsert(100)}})
		require.NoError(t, err)
		skipped = results[0].Skipped
	}
	c.place(c.leader(), 5, 10)
	c.rejoin(tn)
	c.until("the difference is found", func() bool { return len(c.haltedErrors()) > 0 })
	require.ErrorContains(t, c.haltedErrors()[0], "the content differs from the leader's")
	require.ErrorIs(t, tn.available(), ErrHalted)
	c.place(c.leader(), 10, 20)
	c.equal()
	require.Len(t, c.haltedErrors(), 1)
}

// TestAuditsEnd: a cluster that is written to compares, and one that rests stops as soon as its content is compared.
func TestAuditsEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, often)
	c.place(c.nodes[0], 0, 10)
	last := c.nodes[0].Store().LastIndex()
	for _, tn := range c.nodes {
		c.until("the content is compared", func() bool {
			_, due := tn.fsm.audit.due(last)
			return !due
		})
		require.Equal(t, last, tn.Store().LastIndex())
	}
	at := c.leader().raft.LastIndex()
	time.Sleep(10 * 20 * time.Millisecond)
	require.Equal(t, at, c.leader().raft.LastIndex())
	require.Empty(t, c.haltedErrors())
}

// TestDigestsDoNotDependOnGroups applies the same entries at once, one by one, and in pairs. The digests are those of the entries of
// audits alone, and entries that are applied again are not compared.
func TestDigestsDoNotDependOnGroups(t *testing.T) {
	t.Parallel()
	var logs []*raft.Log
	command := func(e *entry) {
		logs = append(logs, &raft.Log{Index: uint64(len(logs) + 1), Term: 1, Type: raft.LogCommand, Data: e.encode()})
	}
	for i := range uint32(12) {
		data, err := upsert(i).MarshalBinary()
		require.NoError(t, err)
		command(&entry{batch: data})
		if i%3 == 1 {
			command(&entry{audit: new(digest)})
		}
	}
	var want []digest
	for _, size := range []int{len(logs), 1, 2, 5} {
		f := aloneFSM(t)
		for i := 0; i < len(logs); i += size {
			for _, a := range f.ApplyBatch(logs[i:min(i+size, len(logs))]) {
				require.NoError(t, a.(outcome).result.Err)
			}
		}
		if want == nil {
			want = f.audit.taken
			require.Len(t, want, 4)
			require.NotEqual(t, want[0].sum, want[1].sum)
		}
		require.Equal(t, want, f.audit.taken, size)
		f.ApplyBatch(logs)
		require.Equal(t, want, f.audit.taken, "entries that were skipped")
		wrong := want[2]
		wrong.sum++
		answers := f.ApplyBatch([]*raft.Log{{Index: 100, Type: raft.LogCommand, Data: (&entry{audit: &want[2]}).encode()}, {Index: 101, Type: raft.LogCommand, Data: (&entry{audit: &wrong}).encode()}, {Index: 102}})
		require.IsType(t, outcome{}, answers[0])
		require.NoError(t, answers[0].(outcome).result.Err)
		require.ErrorIs(t, answers[2].(error), ErrHalted)
		require.EqualValues(t, 101, f.store.AppliedIndex())
	}
}

// aloneFSM returns an FSM without raft.
func aloneFSM(t *testing.T) *fsm {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, storeName), &store.Options{Replicated: true, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() {
		for err := range s.Check(context.Background()) {
			t.Error(err)
		}
		require.NoError(t, s.Close())
	})
	return newFSM(s, dir, new(meta), newHalt())
}
