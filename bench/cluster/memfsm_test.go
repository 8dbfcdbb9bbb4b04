package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/fleet"
	"allocstore/schema"
)

// sinkBuffer is a raft.SnapshotSink in memory.
type sinkBuffer struct{ bytes.Buffer }

func (*sinkBuffer) ID() string    { return "1" }
func (*sinkBuffer) Cancel() error { return nil }
func (*sinkBuffer) Close() error  { return nil }

// TestMemFSM: go-memdb's FSM applies a batch of entries, keeps the other rows, and comes back whole from its snapshot.
func TestMemFSM(t *testing.T) {
	t.Parallel()
	f, err := fleet.New(sampleFile, 1500, 1)
	require.NoError(t, err)
	s := &subject{fleet: f}
	fsm, err := newMemFSM()
	require.NoError(t, err)
	var logs []*raft.Log
	add := func(entry []byte) {
		logs = append(logs, &raft.Log{Type: raft.LogCommand, Index: uint64(len(logs) + 5), Data: entry})
	}
	for k := range f.Jobs() {
		from, to := f.JobRange(k)
		var batch []*schema.Allocation
		for i := from; i < to; i++ {
			batch = append(batch, f.Alloc(i))
		}
		add(encodePlacement(batch))
	}
	add(encodeUpdate(s.report(3, epoch+4)))
	add([]byte{99})
	add(encodeUpdate(&schema.Allocation{ID: "00000000-0000-0000-0000-000000000000"}))
	answers := fsm.ApplyBatch(logs)
	require.Equal(t, []any{nil, nil, nil, errEntry}, answers[:4])
	require.ErrorIs(t, answers[4].(error), errMissing)
	require.EqualValues(t, 9, fsm.applied.Load())

	a, err := fsm.get(f.ID(3))
	require.NoError(t, err)
	require.EqualValues(t, epoch+4, stampOf(a))
	require.EqualValues(t, 7, a.ModifyIndex)
	require.EqualValues(t, 5, a.CreateIndex)
	require.Equal(t, f.JobID(0), a.Job.ID)
	other, err := fsm.get(f.ID(1200))
	require.NoError(t, err)
	require.NoError(t, f.Check(1200, other, fleet.Truth{Created: 6, Modified: 6}))

	snapshot, err := fsm.Snapshot()
	require.NoError(t, err)
	var sink sinkBuffer
	require.NoError(t, snapshot.Persist(&sink))
	whole := sink.Bytes()
	back, err := newMemFSM()
	require.NoError(t, err)
	require.NoError(t, back.Restore(io.NopCloser(bytes.NewReader(whole))))
	want, err := fsm.digest()
	require.NoError(t, err)
	got, err := back.digest()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.EqualValues(t, 9, back.applied.Load())
	a, err = back.get(f.ID(3))
	require.NoError(t, err)
	require.Equal(t, f.JobID(0), a.Job.ID)
	for _, cut := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		if fsm, err := newMemFSM(); err == nil && cut != 1 {
			require.Error(t, fsm.Restore(io.NopCloser(bytes.NewReader(whole[:cut]))), "cut at %d", cut)
		}
	}
}
