package main

import (
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
)

// A recorder does operations one at a time, logs them, and has them fail.
type recorder struct {
	mu      sync.Mutex // guards the rest, and is held while an operation is done
	record  Record
	fault   Fault
	counted int // the operations that the fault has counted
	files   map[fs.StableAttr]int
}

func newRecorder() *recorder { return &recorder{files: make(map[fs.StableAttr]int)} }

// do runs op and logs it, or has it fail. run may complete op.
func (r *recorder) do(op *Op, run func() syscall.Errno) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails(op) {
		r.record.Failed++
		op.Err = r.fault.Err
		r.record.Ops = append(r.record.Ops, *op)
		return op.Err
	}
	errno := run()
	if errno == 0 {
		r.record.Ops = append(r.record.Ops, *op)
	}
	return errno
}

// fails counts op, and reports whether it fails.
func (r *recorder) fails(op *Op) bool {
	f := &r.fault
	if f.N == 0 || f.Only != nil && !slices.Contains(f.Only, op.Kind) {
		return false
	}
	r.counted++
	return r.counted == f.N || r.counted > f.N && f.Forever
}

// number returns the number of a file.
func (r *recorder) number(attr fs.StableAttr) int {
	if r.files[attr] == 0 {
		r.files[attr] = len(r.files) + 1
	}
	return r.files[attr]
}

// numberOf is number for an operation that may fail before it is done.
func (r *recorder) numberOf(attr fs.StableAttr) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.number(attr)
}

// Disk has the remote procedures of the process that serves the file system.
type Disk struct{ r *recorder }

// Begin starts a new record, and sets the fault from now on.
func (d *Disk) Begin(f Fault, _ *struct{}) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	d.r.record, d.r.fault, d.r.counted = Record{}, f, 0
	return nil
}

// Fail sets the fault from now on.
func (d *Disk) Fail(f Fault, _ *struct{}) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	d.r.fault, d.r.counted = f, 0
	return nil
}

// Note logs that index was acknowledged.
func (d *Disk) Note(index uint64, _ *struct{}) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	d.r.record.Ops = append(d.r.record.Ops, Op{Kind: OpNote, At: int64(index)})
	return nil
}

// Shown logs that a reader has seen index.
func (d *Disk) Shown(index uint64, _ *struct{}) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	d.r.record.Ops = append(d.r.record.Ops, Op{Kind: OpShown, At: int64(index)})
	return nil
}

// Recorded returns the record since Begin.
func (d *Disk) Recorded(_ struct{}, to *Record) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	*to = d.r.record
	to.Ops = slices.Clone(to.Ops)
	return nil
}
