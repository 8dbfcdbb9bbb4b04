package raftstore

import "errors"

var (
	// ErrNotLeader: the call needs the leader. This node is not the leader, and knows no leader or cannot reach it.
	// Nothing has happened: the call may be repeated.
	ErrNotLeader = errors.New("not the leader")

	// ErrOutcomeUnknown: the batch, or a change of the members, was proposed, and the leader was lost, or ctx ended, before the outcome was
	// known. It may have been applied, or may still be. A batch whose conditions (Batch.Expect, ExpectList)
	// fail after it was applied may be repeated: then ErrConflict means that it, or a batch of another
	// caller, came first. A batch without conditions may be applied twice.
	ErrOutcomeUnknown = errors.New("the outcome is unknown")

	// ErrHalted: the node's store cannot apply an entry of the log, or the log cannot be written. The node has given up the leadership and has
	// left raft, until it is closed and opened again. The message has the reason. See Config.Halted.
	ErrHalted = errors.New("the node has halted")

	// ErrLogMismatch: the store and the log in the node's directory do not belong together, or a part of one is lost or unreadable. The
	// message says which one, and what to do. Open returns it before raft starts.
	ErrLogMismatch = errors.New("the store does not fit its log")
)
