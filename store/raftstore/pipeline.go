package raftstore

import (
	"time"

	"github.com/hashicorp/raft"
)

// A pipeline is raft's pipeline of entries to a node, whose sender does not wait for ever. In raft v1.8.0 the reader of the
// answers ends when it hears of a later term, and the sender, which waits for it to take one, never learns of that. Then
// raft does not stop, nor do Close and a halt end.
type pipeline struct {
	raft.AppendPipeline
	timeout time.Duration
}

// AppendEntriesPipeline opens a pipeline to a node.
func (t *Transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return &pipeline{p, t.mux.options.Timeout}, nil
}

// AppendEntries sends entries. It waits while others are on their way, each of which is answered within the timeout of a message.
// After that, and the timeouts to send this one, the pipeline is closed, and the error is raft.ErrPipelineShutdown.
func (p *pipeline) AppendEntries(q *raft.AppendEntriesRequest, a *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	size := 0
	for _, e := range q.Entries {
		size += len(e.Data)
	}
	stuck := time.AfterFunc(p.timeout*time.Duration(2+size/pacedBytes), func() { _ = p.AppendPipeline.Close() })
	defer stuck.Stop()
	return p.AppendPipeline.AppendEntries(q, a)
}
