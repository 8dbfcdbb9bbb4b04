package main

import "allocstore/store/raftstore"

// Kinds of answers.
const (
	kindOK        = "ok"
	kindConflict  = "conflict"
	kindRefused   = "refused"    // ErrInvalid, ErrTooLarge and the like: nothing has changed
	kindNotLeader = "not leader" // nothing has happened
	kindUnknown   = "unknown"    // of a write: it may have been applied
	kindHalted    = "halted"
	kindClosed    = "closed"
	kindDown      = "down" // there was no process to ask: nothing has happened
	kindTimeout   = "timeout"
	kindCompacted = "compacted"
	kindRestored  = "restored"
	kindFailed    = "failed"
)

// A plan has the parent's instructions for the process of a node.
type plan struct {
	ID, Dir, Address string
	Routes           map[string]string // from the address of another node to that of the proxy
	Mutant           string
	Tuning           tuning
}

// A tuning has the settings in which nodes differ.
type tuning struct {
	Heartbeat, Lease              int // timeouts in milliseconds
	SnapshotMilli, TransportMilli int
	Threshold, Trailing           uint64 // of snapshots, in entries
	AppendEntries                 int
	Retention                     int // FeedRetention
	Resident                      int64
	Allocation, Batch             int // MaxAllocationBytes, MaxBatchBytes
}

// A hello is the first line of a process.
type hello struct {
	RPC           string
	Last, Applied uint64 // as opened
}

// Failure is the kind and the text of an error, for all answers.
type failure struct {
	Kind  string
	Error string `json:",omitempty"`
}

type applyQuery struct {
	Batch batch
	Milli int
}

type applyAnswer struct {
	failure
	Index            uint64
	Unknown          []int
	Expected, Actual uint64 // of a conflict
	ConflictID       int
	Shown            bool // by the node that answers
}

type readQuery struct {
	ID          int
	Fresh       bool // a Node.Read of this Consistency goes before
	Consistency raftstore.Consistency
	Min         uint64 // to wait for by WaitApplied; 0 for none
	Milli       int
}

type readAnswer struct {
	failure
	Index, Last, Applied uint64 // of ReadInfo; of the store before the Get
	Row                  row
}

type waitQuery struct {
	IDs   []int
	Min   uint64
	Milli int
}

type waitAnswer struct {
	failure
	Outcome string
	Index   uint64
	ID      int
	Row     row
	More    []row
}

type listQuery struct {
	List  int
	Min   uint64
	Milli int
}

type listAnswer struct {
	failure
	Outcome string
	Index   uint64
	Full    bool
	Changed []row
	Gone    []departure
}

// A streamQuery begins a feed, or the stream of a list.
type streamQuery struct {
	List  int
	After uint64
}

// A feedLine is one batch of a feed, or its end.
type feedLine struct {
	failure
	Index uint64
	Rows  []row
}

// A followLine is one ListChange, or the end of the stream.
type followLine struct {
	failure
	Index    uint64
	Row      *row
	Gone     *departure
	Complete bool
}

type statusAnswer struct {
	failure
	ID, Leader, State   string
	Term                uint64
	Last, Applied       uint64
	DigestIndex, Digest uint64
	Halted              string
	Floor               uint64
	Snapshot            uint64 // the index of its newest one
	Installs            int64  // since the process began
	Members             []memberOf
}

type memberOf struct {
	ID    string
	Voter bool
}

type doQuery struct {
	What    string // bootstrap, join, leave, transfer, snapshot, compact, check, break
	ID      string
	Address string
	Voter   bool
	Members []joinOf
	Fault   string
	Milli   int
}

type joinOf struct{ ID, Address string }

type contentAnswer struct {
	failure
	Index, Digest uint64
	Sum           string // of the JSON of all allocations
	Rows          []row
}
