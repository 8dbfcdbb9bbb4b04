package raftstore

import (
	"bytes"
	"cmp"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestHostileRaftMessages: messages with bytes that make raft panic get an error, and the node goes on.
func TestHostileRaftMessages(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, &TransportOptions{}, nil)
	tn := c.leader()
	c.place(tn, 0, 3)
	other, err := NewTransport("127.0.0.1:0", &TransportOptions{Logger: quiet})
	require.NoError(t, err)
	defer other.Close()
	last, term := tn.raft.LastIndex(), tn.raft.CurrentTerm()
	head := raft.RPCHeader{ProtocolVersion: 3, ID: []byte("x"), Addr: []byte("x:1")}
	for name, log := range map[string]*raft.Log{
		"nothing": nil,
		"index":   {Index: last + 9, Type: raft.LogNoop},
		"members": {Type: raft.LogConfiguration, Data: []byte{0xff}},
		"type":    {Type: 77},
		"command": {Type: raft.LogCommand, Data: []byte("no entry")},
	} {
		if log != nil {
			log.Index, log.Term = cmp.Or(log.Index, last+1), term
		}
		q := &raft.AppendEntriesRequest{RPCHeader: head, Term: term, PrevLogEntry: last, PrevLogTerm: term, LeaderCommitIndex: last + 1, Entries: []*raft.Log{log}}
		var a raft.AppendEntriesResponse
		err := other.AppendEntries(tn.id, tn.address, q, &a)
		require.True(t, err != nil || !a.Success, name)
	}
	q := &raft.InstallSnapshotRequest{RPCHeader: head, SnapshotVersion: 1, Term: term, LastLogIndex: last + 5, LastLogTerm: term, Configuration: []byte{0xff}, Size: 1}
	_ = other.InstallSnapshot(tn.id, tn.address, q, new(raft.InstallSnapshotResponse), bytes.NewReader([]byte{'S'}))
	c.leader()
	c.place(tn, 3, 6)
}
