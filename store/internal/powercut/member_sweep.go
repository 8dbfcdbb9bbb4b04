package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/raft"

	"allocstore/store/raftstore"
)

// memberSweep is the workload of the sweep of a node.
var memberSweep = memberWorkload{rounds: 7, largest: 400, ids: 6, group: never, snapshot: 3, reopen: 4, restore: 6}

// memberSweepCounts are the results of a sweep of a node.
type memberSweepCounts struct {
	Runs     int
	Steps    int // operations that could fail
	Halted   int // runs in which the node halted
	Unopened int // runs in which the node did not open
	Silent   int // runs with a failure that needs no error
	Images   *counts
}

// A memberSweeper has every step of a node's workload fail in turn.
type memberSweeper struct {
	seed   uint64
	budget int // images of each run
	stride int // more than 1: only every so many steps, each with one fault
	cuts   int // cut the power after one run in so many
}

// sweep has step after step fail, until no step is left. Each run does about the same operations: raft's timers differ.
func (sw *memberSweeper) sweep(d *disk) (*memberSweepCounts, error) {
	got := &memberSweepCounts{Images: new(counts)}
	for n, missed := 1, 0; missed < 3; n += sw.stride {
		missed++
		for _, f := range sw.faults(n) {
			t, err := endureMember(d, sw.seed, f)
			if err != nil {
				return got, fmt.Errorf("%v: %w", f, err)
			}
			got.Runs++
			if t.Failed == 0 {
				continue
			}
			missed, got.Steps = 0, n
			got.count(t)
			if got.Runs%sw.cuts != 0 {
				continue
			}
			if err := sw.cutAfter(t, got.Images); err != nil {
				return got, fmt.Errorf("%v: %w", f, err)
			}
		}
	}
	return got, nil
}

// faults returns the faults to try at step n.
func (sw *memberSweeper) faults(n int) []Fault {
	all := []Fault{
		{N: n, Err: syscall.EIO}, {N: n, Err: syscall.ENOSPC, Forever: true}, {N: n, Err: syscall.ENOSPC}, {N: n, Err: syscall.EIO, Forever: true},
	}
	if sw.stride > 1 {
		return all[n/sw.stride%len(all):][:1]
	}
	return all
}

func (got *memberSweepCounts) count(t *memberTrial) {
	switch {
	case t.unopened:
		got.Unopened++
	case errors.Is(t.reported, raftstore.ErrHalted):
		got.Halted++
	case t.reported == nil:
		got.Silent++
	}
}

// cutAfter cuts the power of a trial from the fault on.
func (sw *memberSweeper) cutAfter(t *memberTrial, total *counts) error {
	c := memberCutter(sw.budget, sw.seed)
	c.from = slices.IndexFunc(t.Ops, func(op Op) bool { return op.Err != 0 })
	images, err := c.cut(&recording{t.Record, t.history})
	if err != nil {
		return err
	}
	total.add(images)
	return images.fault()
}

// A memberTrial is a run of a node with a fault.
type memberTrial struct {
	*memberRun
	Record
	acked    uint64
	reported error // what the node returned
	unopened bool  // from Open

	// inDoubt adds the change whose outcome is unknown to the history, at an index. It is nil without one.
	inDoubt func(index uint64)
}

// endureMember runs the workload with the fault, and then recovers without it. Violations are errors.
func endureMember(d *disk, seed uint64, f Fault) (*memberTrial, error) {
	r, err := newMemberRun(d, memberSweep, seed)
	if err != nil {
		return nil, err
	}
	t := &memberTrial{memberRun: r}
	if err := d.begin(f); err != nil {
		return nil, err
	}
	err = t.play()
	if t.m != nil {
		err = errors.Join(err, t.ended())
	}
	if err != nil {
		return nil, err
	}
	if t.Record, err = d.recorded(); err != nil {
		return nil, err
	}
	if err := t.checkReported(); err != nil {
		return nil, err
	}
	if err := d.repair(); err != nil {
		return nil, err
	}
	if err := t.recover(); err != nil {
		return nil, fmt.Errorf("on the disk that works again, after %v: %w", t.reported, err)
	}
	t.Record, err = d.recorded()
	return t, err
}

// play runs the workload until the node returns an error.
func (t *memberTrial) play() error {
	if ok, err := t.start(); !ok {
		return err
	}
	for round := 1; round <= t.rounds; round++ {
		ok, err := t.change(t.steps(true))
		if ok && round%t.snapshot == 0 {
			ok, err = t.did(t.takeSnapshot())
		}
		if ok && round%t.restore == t.restore/2 {
			ok, err = t.did(t.save())
		}
		if ok && round%t.restore == 0 {
			ok, err = t.restoreInDoubt()
		}
		if ok && round%t.reopen == 0 {
			if ok, err = t.did(t.m.Close()); ok {
				ok, err = t.start()
			}
		}
		if !ok || err != nil {
			return err
		}
	}
	return nil
}

// start opens the node, and waits until it leads. ok is false after an error of the node.
func (t *memberTrial) start() (ok bool, err error) {
	m, err := openMember(t.dir, alone, whileRecorded)
	if t.m = m; err != nil {
		t.unopened, t.m = true, nil
		return t.did(err)
	}
	if t.last == 1 {
		if ok, err = t.did(m.bootstrap()); !ok {
			return false, err
		}
	}
	return t.did(m.lead())
}

// did notes an error of the node. That it does nothing without an error for a long time is a violation.
func (t *memberTrial) did(err error) (ok bool, _ error) {
	if err == nil {
		return true, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false, fmt.Errorf("the node neither works nor halts: %w", err)
	}
	t.reported = errors.Join(t.reported, err)
	return false, nil
}

// change applies a batch.
func (t *memberTrial) change(steps []step) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	applied, err := t.m.Apply(ctx, batchOf(steps))
	if err == nil {
		t.give(applied.Index, steps)
		t.acked = applied.Index
		return true, t.note(applied.Index)
	}
	if !errors.Is(err, raftstore.ErrNotLeader) {
		t.inDoubt = func(index uint64) { t.give(index, steps) }
	}
	return t.did(err)
}

// restoreInDoubt restores the backup.
func (t *memberTrial) restoreInDoubt() (ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = t.m.Restore(ctx, bytes.NewReader(t.saved.stream))
	if err == nil {
		t.acked = t.m.Store().LastIndex()
		return true, t.restored(t.acked)
	}
	t.inDoubt = func(index uint64) {
		t.applied = index - 1
		t.revert(t.saved)
	}
	return t.did(err)
}

// ended checks a node after its last call, and closes it. One that has not halted still works, unless another error comes.
func (t *memberTrial) ended() error {
	halted := errors.Is(t.reported, raftstore.ErrHalted)
	if t.reported != nil && !halted && t.inDoubt == nil {
		if _, err := t.change(t.steps(true)); err != nil {
			return err
		}
	}
	if _, err := t.m.Read(context.Background(), raftstore.Stale); errors.Is(err, raftstore.ErrHalted) {
		t.reported = errors.Join(t.reported, err)
	}
	if last := t.m.Store().LastIndex(); last < t.acked {
		return fmt.Errorf("index %d was acknowledged, and the node shows %d", t.acked, last)
	}
	if err := t.m.Close(); err != nil {
		t.reported = errors.Join(t.reported, err)
	}
	return nil
}

// checkReported returns an error if an operation failed and the node returned no error. Removing old files
// may fail, and so may the steps that a store need not report.
func (t *memberTrial) checkReported() error {
	if t.reported != nil {
		if t.Failed == 0 {
			return fmt.Errorf("an error was returned, and nothing failed: %w", t.reported)
		}
		return nil
	}
	of := filesOf(t.Ops)
	for i, op := range t.Ops {
		removed := op.Kind == OpSyncDir && i > 0 && t.Ops[i-1].Kind == OpUnlink && strings.HasSuffix(t.Ops[i-1].Name, segmentSuffix)
		noRoom := op.Kind == OpTruncate && op.Err == syscall.ENOSPC && !strings.HasSuffix(of[i], segmentSuffix)
		if op.Err != 0 && op.Kind != OpUnlink && op.Kind != OpLink && !op.leavesHole() && !removed && !noRoom && !retried(t.Ops, i) {
			return fmt.Errorf("%v of %d bytes at %d of %s failed, and no error was returned", op.Kind, len(op.Data), op.At, of[i])
		}
	}
	return nil
}

// retried reports whether a write was done right after it had failed. The kernel may split a write between pages: then only a
// part fails, and Go writes the rest again.
func retried(ops []Op, i int) bool {
	return i+1 < len(ops) && ops[i].Kind == OpWrite && ops[i+1].Kind == OpWrite && ops[i+1].Err == 0 &&
		ops[i+1].File == ops[i].File && ops[i+1].At == ops[i].At && bytes.Equal(ops[i+1].Data, ops[i].Data)
}

// recover opens the node again, checks that it has every acknowledged batch and no other but the one in doubt, and uses it.
func (t *memberTrial) recover() (err error) {
	if t.m, err = openMember(t.dir, alone, untilAsked); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.m.Close()) }()
	t.resolve()
	if err := t.matches(t.m.Store(), 0); err != nil {
		return fmt.Errorf("before the election: %w", err)
	}
	if t.last == 1 {
		if err := t.m.bootstrap(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
			return err
		}
	}
	if err := errors.Join(t.m.hasten(), t.m.lead()); err != nil {
		return err
	}
	t.resolve()
	err = t.matches(t.m.Store(), t.acked)
	if err == nil {
		err = t.lacksNone(t.m.Store().LastIndex(), t.acked)
	}
	for i := 0; i < afterRecovery && err == nil; i++ {
		t.inDoubt = nil
		err = t.write(false)
	}
	return err
}

// resolve adds the change in doubt to the history, if the store has it.
func (t *memberTrial) resolve() {
	if last := t.m.Store().LastIndex(); t.inDoubt != nil && last > t.last {
		t.inDoubt(last)
		t.inDoubt = nil
	}
}
