package main

import (
	"bytes"
	"syscall"
)

// An OpKind is the kind of an Op.
type OpKind uint8

// The operations that change the disk, or make changes durable, and the note.
const (
	OpWrite    OpKind = iota
	OpTruncate        // to At bytes, longer or shorter
	OpSync            // of a file
	OpSyncDir         // of a directory
	OpCreate          // of Name
	OpRename          // of Name to To
	OpLink            // of File under To
	OpUnlink          // of Name
	OpMkdir           // of Name
	OpRmdir           // of Name
	OpNote            // not an operation: index At was acknowledged
	OpShown           // not an operation: a reader has seen index At
)

var opNames = [...]string{"write", "truncate", "sync", "sync of the directory", "create", "rename", "link", "unlink", "mkdir", "rmdir", "note", "note of a reader"}

// String returns the kind in words.
func (k OpKind) String() string { return opNames[k] }

// An Op is one operation on the disk.
type Op struct {
	Kind     OpKind
	File     int    // the number of the file or directory, from 1, the same under all its names
	Dir      int    // the number of the directory that has Name and To
	At       int64  // offset, size or index
	Data     []byte // the bytes of a write
	Name, To string
	DataOnly bool          // of OpSync: an fdatasync
	Err      syscall.Errno // 0, or the reason why it was not done
}

// leavesHole reports whether op is a write of zeros that found no room. The hole that it
// leaves in the file reads the same.
func (op *Op) leavesHole() bool {
	return op.Kind == OpWrite && op.Err == syscall.ENOSPC && len(bytes.Trim(op.Data, "\x00")) == 0
}

// A Fault selects the operation that fails. With the zero value nothing fails.
type Fault struct {
	N       int           // from 1, in the order of the log; notes are not counted
	Only    []OpKind      // the kinds that are counted; nil: all kinds
	Forever bool          // all later ones fail too
	Err     syscall.Errno // the error of the operation
}

// A Record is the log since Begin.
type Record struct {
	Ops    []Op
	Failed int // the number of failed operations
}
