package main

import (
	"bytes"
	"syscall"
)

// An OpKind says what an Op did.
type OpKind uint8

// The operations that change what is on a disk, or say what has to be there.
const (
	OpWrite    OpKind = iota
	OpTruncate        // to At bytes, longer or shorter
	OpSync            // of a file
	OpSyncDir         // of the directory
	OpCreate          // of Name
	OpRename          // of Name to To
	OpLink            // of File under To
	OpUnlink          // of Name
	OpNote            // no operation: index At was acknowledged
)

var opNames = [...]string{"write", "truncate", "sync", "sync of the directory", "create", "rename", "link", "unlink", "note"}

// String returns the kind in words.
func (k OpKind) String() string { return opNames[k] }

// An Op is one operation, in the order in which they were done.
type Op struct {
	Kind     OpKind
	File     int    // which file, from 1; a file keeps its number under all its names
	At       int64  // offset, size or index
	Data     []byte // what was written
	Name, To string
	DataOnly bool          // of OpSync: an fdatasync
	Err      syscall.Errno // why it was not done, or 0
}

// leavesHole reports whether op is a write of zeros for which there was no room. Where the
// file is a hole, it reads the same.
func (op *Op) leavesHole() bool {
	return op.Kind == OpWrite && op.Err == syscall.ENOSPC && len(bytes.Trim(op.Data, "\x00")) == 0
}

// A Fault is which operation fails. The zero value is none.
type Fault struct {
	N       int           // from 1, in the order of the log; notes are not counted
	Only    []OpKind      // what is counted, or nil for everything
	Forever bool          // and all that come after it
	Err     syscall.Errno // what it returns
}

// A Record is all that was done since Begin.
type Record struct {
	Ops    []Op
	Failed int // how many operations failed
}
