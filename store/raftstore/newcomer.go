package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft"
)

// newcomerName names the file that a node has until it has caught up for the first time.
const newcomerName = "newcomer"

// A newcomer keeps a node that began with an empty directory from voting as one with an empty log.
//
// The node may have been a member before: it left, lost its directory, and its ID and address are used again. A member that
// has not heard of it leaving counts its vote. With an empty log it would vote for that member, and the two might be a
// majority of the members that the latter knows, beside the leader and a majority of the present members. The log of each
// leader that the node hears has the entry by which it left, or a later one. When the node has a committed entry of the leader's
// term, it has that entry too, and has caught up. Until then it votes as if its log had the end that the log of the first leader had:
// for candidates whose log is not behind that. Some of that end may be lost with the leader, so it is no condition later. It
// is no candidate meanwhile, as its log may end with members who are none any more, and does not say which term it has.
//
// Before it has heard a leader it votes in the first elections of a new cluster only: candidates have next to nothing in the
// log then. See Bootstrap for a first leader that has more, and was heard by no other node.
type newcomer struct {
	path string
	halt *halt

	mu     sync.Mutex
	raft   *raft.Raft                // set before run; raft itself may be earlier
	term   func(index uint64) uint64 // of an entry of the node's log, or 0
	target place                     // the end to reach; the zero place until a leader has been heard
	done   bool
}

// The log of a candidate in a new cluster: one term after that of Bootstrap, and few entries: those of Bootstrap, of raft, and of
// lead.
const (
	firstTerm    = 2
	firstEntries = 4
)

// newNewcomer returns the newcomer of a directory, or nil if its node has caught up before. last is the index of the last entry
// of the log, and base that of the newest snapshot.
func newNewcomer(dir string, last, base uint64, h *halt) (*newcomer, error) {
	c := &newcomer{path: filepath.Join(dir, newcomerName), halt: h}
	text, err := os.ReadFile(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && last == 0 && base == 0:
		return c, c.write(place{})
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if _, err := fmt.Sscan(string(text), &c.target.index, &c.target.term); err != nil {
		c.target = place{} // wrong bytes: a leader is heard again
	} else if c.target.index == 0 && last > 0 && base == 0 {
		return nil, removeSynced(c.path) // it has not heard a leader, so the log is that of a Bootstrap that was interrupted
	}
	return c, nil
}

// write makes the end to reach durable.
func (c *newcomer) write(target place) error {
	temp := c.path + ".tmp"
	if err := writeSynced(temp, fmt.Appendln(nil, target.index, target.term)); err != nil {
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

// begin sets raft, which runs already, and the function for the term of an entry.
func (c *newcomer) begin(r *raft.Raft, term func(index uint64) uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raft, c.term = r, term
}

// errNewcomer is why a node is no candidate, and does not answer for its term.
var errNewcomer = errors.New("the node is new, and has not caught up")

// caughtUp returns errNewcomer if the node has not caught up. c may be nil.
func (c *newcomer) caughtUp() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done {
		return errNewcomer
	}
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
	switch q := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		if at := min(last, q.LeaderCommitIndex); at > 0 && c.term(at) == q.Term {
			return true, c.finishLocked()
		}
		return true, c.hearLocked(q)
	case *raft.RequestVoteRequest:
		if ok = c.mayVoteLocked(last, place{q.LastLogIndex, q.LastLogTerm}); !ok {
			rpc.Respond(&raft.RequestVoteResponse{RPCHeader: c.header(), Term: c.raft.CurrentTerm()}, nil)
		}
		return ok, nil
	case *raft.RequestPreVoteRequest:
		if ok = c.mayVoteLocked(last, place{q.LastLogIndex, q.LastLogTerm}); !ok {
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: c.header(), Term: c.raft.CurrentTerm()}, nil)
		}
		return ok, nil
	}
	return true, nil
}

// hearLocked notes the end of the first leader's log. A leader sends it first of all; heartbeats have none.
func (c *newcomer) hearLocked(q *raft.AppendEntriesRequest) error {
	end := place{q.PrevLogEntry, q.PrevLogTerm}
	if n := len(q.Entries); n > 0 {
		end = place{q.Entries[n-1].Index, q.Entries[n-1].Term}
	}
	if c.target.index > 0 || end.index == 0 {
		return nil
	}
	if err := c.write(end); err != nil {
		return err
	}
	c.target = end
	return nil
}

// mayVoteLocked reports whether the node may vote for a candidate whose log ends at a place, when its own has so many entries.
func (c *newcomer) mayVoteLocked(own uint64, candidate place) bool {
	if t := c.target; t.index > 0 {
		return candidate.term > t.term || candidate.term == t.term && candidate.index >= t.index
	}
	return own <= 1 && candidate.term <= firstTerm && candidate.index <= firstEntries
}

func (c *newcomer) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
}

// A newcomerTransport is the transport of a newcomer.
type newcomerTransport struct {
	raft.Transport
	newcomer *newcomer
	rpcs     chan raft.RPC
}

// A preVoteTransport is one that can ask for votes before an election.
type preVoteTransport struct {
	*newcomerTransport
	raft.WithPreVote
}

// RequestVote asks for a vote in an election, unless the node is new.
func (t *newcomerTransport) RequestVote(id raft.ServerID, to raft.ServerAddress, q *raft.RequestVoteRequest, a *raft.RequestVoteResponse) error {
	if err := t.newcomer.caughtUp(); err != nil {
		return err
	}
	return t.Transport.RequestVote(id, to, q, a)
}

// RequestPreVote asks for a vote before an election, unless the node is new.
func (t preVoteTransport) RequestPreVote(id raft.ServerID, to raft.ServerAddress, q *raft.RequestPreVoteRequest, a *raft.RequestPreVoteResponse) error {
	if err := t.newcomer.caughtUp(); err != nil {
		return err
	}
	return t.WithPreVote.RequestPreVote(id, to, q, a)
}

// transport returns the transport that raft gets in the place of t.
func (c *newcomer) transport(t raft.Transport) (raft.Transport, *newcomerTransport) {
	to := &newcomerTransport{t, c, make(chan raft.RPC)}
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
