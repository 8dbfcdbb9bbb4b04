package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"allocstore/store/raftstore"
)

// installSweepCounts are the results of a sweep of a node that takes snapshots.
type installSweepCounts struct {
	Runs     int
	Steps    int // operations that could fail
	Halted   int // runs in which the node halted
	Unopened int // runs in which the node did not open
	Arrived  int // runs in which all arrived in spite of the failure
}

// sweepInstalls has step after step of a node fail that takes snapshots of its leader, until no step is left. The node is then
// opened on a working disk, and must become equal to its leader.
func sweepInstalls(d *disk, seed uint64, stride int) (*installSweepCounts, error) {
	got := new(installSweepCounts)
	for n, missed := 1, 0; missed < 3; n += stride {
		missed++
		faults := []Fault{{N: n, Err: syscall.EIO}, {N: n, Err: syscall.ENOSPC, Forever: true}}
		if stride > 1 {
			faults = faults[n/stride%2:][:1]
		}
		for _, f := range faults {
			hit, err := endureInstall(d, seed, f, got)
			if err != nil {
				return got, fmt.Errorf("%v: %w", f, err)
			}
			if got.Runs++; hit {
				missed, got.Steps = 0, n
			}
		}
	}
	return got, nil
}

// endureInstall takes two snapshots with the fault, and recovers without it. Violations are errors.
func endureInstall(d *disk, seed uint64, f Fault, got *installSweepCounts) (hit bool, err error) {
	leader, err := os.MkdirTemp(scratch(), "allocstore-powercut-leader-*")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(leader)) }()
	dir, err := d.newDir()
	if err != nil {
		return false, err
	}
	r := newInstallRun(d, installWorkload{}, seed, dir, leader)
	if r.m, err = openMember(leader, alone, whileRecorded); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.m.Close()) }()
	if err := errors.Join(r.m.bootstrap(), r.m.lead(), d.begin(f)); err != nil {
		return false, err
	}
	shown, err := r.installTwice(got)
	if err != nil {
		return false, err
	}
	record, err := d.recorded()
	if err = errors.Join(err, d.repair()); err != nil {
		return false, err
	}
	return record.Failed > 0, r.recover(shown)
}

// installTwice has the node take two snapshots, until it fails. It returns the last index that a reader has seen.
func (r *installRun) installTwice(got *installSweepCounts) (shown uint64, err error) {
	if err := r.open(); err != nil {
		got.Unopened++
		return 0, nil
	}
	for range 2 {
		if err := r.ahead(); err != nil {
			return 0, errors.Join(err, r.f.Close())
		}
		if err = r.arrives(); err != nil {
			break
		}
		shown = r.f.Store().LastIndex()
	}
	switch {
	case err == nil:
		got.Arrived++
	case errors.Is(err, raftstore.ErrHalted):
		got.Halted++
	}
	r.m.trans.Disconnect(r.f.trans.LocalAddr())
	_ = r.f.Close() // its error is that of the failure
	return shown, nil
}

// ahead has the leader write and cut its log while the follower is no member, which then joins.
func (r *installRun) ahead() error {
	err := r.m.Leave(context.Background(), follower)
	for range 3 {
		err = errors.Join(err, r.write(false), r.memberRun.refused())
	}
	return errors.Join(err, r.m.snapshot(), r.join())
}

// soon bounds the time in which a node on a failing disk takes a snapshot.
const soon = 300 * time.Millisecond

// arrives waits until the follower shows the leader's last index, for a while.
func (r *installRun) arrives() error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if r.f.Store().AppliedIndex() >= r.last {
			return nil
		}
		if _, err := r.f.Read(context.Background(), raftstore.Stale); err != nil {
			return err
		}
		if time.Since(began) > soon {
			return errors.New("nothing arrives")
		}
	}
}

// recover opens the follower again, checks it, and waits until it is equal to the leader.
func (r *installRun) recover(shown uint64) (err error) {
	if err := r.m.Leave(context.Background(), follower); err != nil { // and the leader makes no pauses any more
		return err
	}
	if r.f, err = openMember(r.dir, follower, untilAsked); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.f.Close()) }()
	if err := r.matches(r.f.Store(), shown); err != nil {
		return err
	}
	if err := r.lacksNone(r.f.Store().LastIndex(), r.f.Store().AppliedIndex()); err != nil {
		return err
	}
	connect(r.f, r.m)
	if err := errors.Join(r.join(), r.write(false), r.f.shows(r.last)); err != nil {
		return err
	}
	return r.f.equal(r.m)
}
