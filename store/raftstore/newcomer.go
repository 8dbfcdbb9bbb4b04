package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// newcomerName names the file that a node has until it has caught up for the first time.
const newcomerName = "newcomer"

// A newcomer keeps a node that began with an empty directory from voting before it has caught up.
//
// The node may have been a member before: it left, lost its directory, and its ID and address are used again. A member that
// has not heard of it leaving counts its vote. With an empty log it would vote for that member, and the two might be a
// majority of the members that the latter knows, beside the leader and a majority of the present members. When the
// node's log has reached the end that the first leader's log had, it has the entry by which the node left, or a later one,
// and raft itself refuses the vote. Raft asks for votes with an empty log in a new cluster only: candidates have one entry then.
//
// Until then a vote may be missing. Joined as a non-voter first, the node has caught up before its vote counts.
type newcomer struct {
	path string
	halt *halt
	raft *raft.Raft // set before run

	mu     sync.Mutex
	target uint64 // the index to reach; 0 until a leader has been heard
	done   bool
}

// newNewcomer returns the newcomer of a directory, or nil if its node has caught up before. fresh says that the
// directory has neither a log nor a snapshot.
func newNewcomer(dir string, fresh bool, h *halt) (*newcomer, error) {
	c := &newcomer{path: filepath.Join(dir, newcomerName), halt: h}
	text, err := os.ReadFile(c.path)
	switch {
	case fresh:
		return c, c.write(0)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	c.target, _ = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64) // 0 for wrong bytes: a leader is heard again
	return c, nil
}

// write makes the index to reach durable.
func (c *newcomer) write(target uint64) error {
	temp := c.path + ".tmp"
	if err := writeSynced(temp, fmt.Appendln(nil, target)); err != nil {
		return err
	}
	return rename(temp, c.path)
}

// finish ends the node's time as a newcomer. It may be nil.
func (c *newcomer) finish() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finishLocked()
}

func (c *newcomer) finishLocked() error {
	if c.done {
		return nil
	}
	if err := removeSynced(c.path); err != nil {
		return err
	}
	c.done = true
	return nil
}

// admit reports whether raft may see a message. A vote that must not be given is refused here.
func (c *newcomer) admit(rpc *raft.RPC) (ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return true, nil
	}
	last := c.raft.LastIndex()
	if c.target > 0 && last >= c.target {
		return true, c.finishLocked()
	}
	switch q := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		if end := max(q.PrevLogEntry+uint64(len(q.Entries)), q.LeaderCommitIndex); c.target == 0 && end > 0 {
			if err := c.write(end); err != nil {
				return false, err
			}
			c.target = end
		}
	case *raft.RequestVoteRequest:
		if ok = c.isNewCluster(last, q.LastLogIndex); !ok {
			rpc.Respond(&raft.RequestVoteResponse{RPCHeader: c.header(), Term: c.raft.CurrentTerm()}, nil)
		}
		return ok, nil
	case *raft.RequestPreVoteRequest:
		if ok = c.isNewCluster(last, q.LastLogIndex); !ok {
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: c.header(), Term: c.raft.CurrentTerm()}, nil)
		}
		return ok, nil
	}
	return true, nil
}

// isNewCluster reports whether an election is the first one of a cluster: no log has more than the entry of Bootstrap.
func (c *newcomer) isNewCluster(own, candidate uint64) bool {
	return c.target == 0 && own <= 1 && candidate <= 1
}

func (c *newcomer) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
}

// A newcomerTransport is the transport of a newcomer.
type newcomerTransport struct {
	raft.Transport
	rpcs chan raft.RPC
}

// A preVoteTransport is one that can ask for votes before an election.
type preVoteTransport struct {
	*newcomerTransport
	raft.WithPreVote
}

// transport returns the transport that raft gets in the place of t.
func (c *newcomer) transport(t raft.Transport) (raft.Transport, *newcomerTransport) {
	to := &newcomerTransport{t, make(chan raft.RPC)}
	if pre, ok := t.(raft.WithPreVote); ok {
		return preVoteTransport{to, pre}, to
	}
	return to, to
}

// Consumer returns the messages for raft.
func (t *newcomerTransport) Consumer() <-chan raft.RPC { return t.rpcs }

// Close closes the transport, as raft does when it ends.
func (t *newcomerTransport) Close() error {
	if c, ok := t.Transport.(raft.WithClose); ok {
		return c.Close()
	}
	return nil
}

// run passes messages on until stop is closed. A file that cannot be written halts the node.
func (c *newcomer) run(t *newcomerTransport, stop <-chan struct{}) {
	from := t.Transport.Consumer()
	for {
		select {
		case rpc := <-from:
			ok, err := c.admit(&rpc)
			if err != nil {
				rpc.Respond(nil, c.halt.begin(fmt.Errorf("note that the node is new: %w", err)))
			}
			if !ok || err != nil {
				continue
			}
			select {
			case t.rpcs <- rpc:
			case <-stop:
				return
			}
		case <-stop:
			return
		}
	}
}
