package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An operation is a fault that an operator mends, or work of an operator. At any time there is one.
type operation struct {
	name string
	do   func(n *nemesis, ctx context.Context) error
}

var operations = func() []operation {
	all := []operation{
		{"wipe a disk", (*nemesis).wipe},
		{"fill a disk", (*nemesis).fillDisk},
		{"add, promote and remove a node", (*nemesis).changeMembers},
		{"transfer the leadership", (*nemesis).transfer},
		{"remove the leader", (*nemesis).removeLeader},
		{"take snapshots", (*nemesis).snapshot},
		{"compact", (*nemesis).compact},
		{"leave a node behind", (*nemesis).leaveBehind},
	}
	for _, d := range diskFaults {
		all = append(all, operation{d.name, func(n *nemesis, ctx context.Context) error { return n.breakDisk(ctx, &d) }})
	}
	return all
}()

// operate runs one operation after the other, until ctx ends. The last one is finished.
func (n *nemesis) operate(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, n.with, 200, 1500)
		o := operations[n.with.IntN(len(operations))]
		if ctx.Err() != nil {
			return
		}
		if n.only != nil && !slices.Contains(n.only, o.name) {
			if !slices.ContainsFunc(operations, func(o operation) bool { return slices.Contains(n.only, o.name) }) {
				return
			}
			continue
		}
		n.count(o.name)
		if err := o.do(n, context.WithoutCancel(ctx)); err != nil {
			n.fail(fmt.Errorf("%s: %w", o.name, err))
		}
	}
}

// take claims a random member for an operation.
func (n *nemesis) take(ctx context.Context) (*machine, error) {
	for w := wait(patience); w.more(); time.Sleep(10 * time.Millisecond) {
		all := n.c.members()
		if m := all[n.with.IntN(len(all))]; m.claim() {
			return m, nil
		}
	}
	return nil, errors.New("all nodes are in a fault for too long")
}

// lead runs a command on the leader, again and again, until it succeeds. Elections and other faults come between.
func (n *nemesis) lead(ctx context.Context, q doQuery) error {
	var last failure
	for w := wait(patience); w.more(); time.Sleep(50 * time.Millisecond) {
		m := n.c.now(ctx)
		if m == nil {
			last = failure{kindNotLeader, "no node leads"}
			continue
		}
		if last = m.do(ctx, &q); last.Kind == kindOK {
			return nil
		}
	}
	return fmt.Errorf("%s of %s does not succeed within %v: %s", q.What, q.ID, patience, last.Error)
}

// replace is the way back of a node whose directory is lost: leave, remove the directory, join anew.
func (n *nemesis) replace(ctx context.Context, m *machine) error {
	if err := n.lead(ctx, doQuery{What: "leave", ID: m.id}); err != nil {
		return err
	}
	m.kill()
	if err := m.wipe(); err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	return n.join(ctx, m)
}

// join adds a node as a non-voter, waits until it has caught up, and makes it a voter.
func (n *nemesis) join(ctx context.Context, m *machine) error {
	q := doQuery{What: "join", ID: m.id, Address: m.address}
	if err := n.lead(ctx, q); err != nil {
		return err
	}
	m.setMember(true)
	if err := n.caughtUp(ctx, m); err != nil {
		return err
	}
	q.Voter = true
	return n.lead(ctx, q)
}

// caughtUp waits until a node shows the index that the leader shows now.
func (n *nemesis) caughtUp(ctx context.Context, m *machine) error {
	var at uint64
	for w := wait(patience); w.more(); time.Sleep(20 * time.Millisecond) {
		if at == 0 {
			if leads := n.c.now(ctx); leads != nil {
				at = leads.status(ctx).Applied
			}
			continue
		}
		if a := m.status(ctx); a.Kind == kindOK && a.Applied >= at {
			return nil
		}
	}
	m.dump()
	return fmt.Errorf("node %s does not catch up with %d within %v; the stacks of its goroutines are in %s", m.id, at, patience, m.logPath)
}

// wipe kills a node, and its disk is lost.
func (n *nemesis) wipe(ctx context.Context) error {
	m, err := n.take(ctx)
	if err != nil {
		return err
	}
	defer m.release()
	m.kill()
	sleep(ctx, n.with, 10, 1000)
	return n.replace(ctx, m)
}

// fillDisk fills the disk of a node, if it has one of its own. The node halts, as writes go on. Room is made, and it is
// opened again, or replaced.
func (n *nemesis) fillDisk(ctx context.Context) error {
	if !n.c.mounted {
		return n.breakDisk(ctx, &diskFaults[slices.IndexFunc(diskFaults, func(d diskFault) bool { return d.name == "store has no room" })])
	}
	m, err := n.take(ctx)
	if err != nil {
		return err
	}
	defer m.release()
	m.spoil()
	ballast := filepath.Join(m.dir, "ballast")
	if err := n.halts(ctx, m, func() error { return fill(ballast) }); err != nil {
		return err
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	return n.back(ctx, m)
}

// fill makes a file longer until its disk is full.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for b := make([]byte, 1<<20); len(b) > 0; {
		if _, err := f.Write(b); err != nil {
			b = b[:len(b)/2]
		}
	}
	return nil
}

func (m *machine) spoil() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spoiled = true
}

func (m *machine) unspoil() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spoiled = false
}

// halts inflicts a fault on the disk of a node, again and again since files are opened meanwhile. It waits until the node says
// that it has halted, and checks that it answers nothing.
func (n *nemesis) halts(ctx context.Context, m *machine, inflict func() error) error {
	const looks = 50 // between two times that the fault is inflicted
	for w, look := wait(patience), 0; w.more(); time.Sleep(20 * time.Millisecond) {
		a := m.status(ctx)
		if a.Kind != kindOK || a.Halted == "" {
			if look%looks == 0 {
				if err := inflict(); err != nil {
					return err
				}
			}
			look++
			continue
		}
		n.count("a node halts")
		n.silent(ctx, m, &a)
		return nil
	}
	m.dump()
	return fmt.Errorf("node %s does not halt within %v, on a disk that does not work; the stacks of its goroutines are in %s", m.id, patience, m.logPath)
}

// silent checks that a halted node answers nothing, leads nothing, and says how it comes back.
func (n *nemesis) silent(ctx context.Context, m *machine, a *statusAnswer) {
	if a.State == "Leader" { // raft may call itself a follower after it has stopped
		n.c.fault("node %s has halted, and still leads", m.id)
	}
	if !strings.Contains(a.Halted, "remove the node from the cluster") {
		n.c.fault("node %s has halted, and does not say how it comes back: %s", m.id, a.Halted)
	}
	b := batch{Writes: []write{{Kind: kindStatus, ID: diaryFirst, Status: "running", Token: "of a halted node"}}}
	if got := m.apply(ctx, &b, time.Second); got.Kind != kindHalted {
		n.c.fault("node %s has halted, and answers a write: %+v", m.id, got)
	}
	for _, q := range []readQuery{{Consistency: stale}, {Consistency: byLease}, {Consistency: linearizable}} {
		q.ID, q.Fresh, q.Milli = registerFirst, true, 1000
		if got := m.read(ctx, &q); got.Kind != kindHalted {
			n.c.fault("node %s has halted, and answers a read of consistency %v: %+v", m.id, q.Consistency, got)
		}
	}
}

// breakDisk makes calls on files of a node fail. The node halts, and is opened again on a disk that works, or replaced.
func (n *nemesis) breakDisk(ctx context.Context, d *diskFault) error {
	m, err := n.take(ctx)
	if err != nil {
		return err
	}
	defer m.release()
	m.spoil()
	inflict := func() error {
		if f := m.do(ctx, &doQuery{What: "break", Fault: d.name}); f.Kind != kindOK && f.Kind != kindUnknown {
			return errors.New(f.Error)
		}
		return nil
	}
	if err := n.halts(ctx, m, inflict); err != nil {
		return err
	}
	return n.back(ctx, m)
}

// back brings a halted node back: it is opened again, or replaced.
func (n *nemesis) back(ctx context.Context, m *machine) error {
	if n.with.IntN(2) == 0 {
		return n.replace(ctx, m)
	}
	m.kill()
	m.unspoil()
	return m.start()
}

// changeMembers adds a spare node, first without a vote, and then removes one of all.
func (n *nemesis) changeMembers(ctx context.Context) error {
	i := slices.IndexFunc(n.c.machines, func(m *machine) bool { return !m.isMember() })
	if i < 0 {
		return n.remove(ctx)
	}
	m := n.c.machines[i]
	if err := m.start(); err != nil {
		return err
	}
	if err := n.join(ctx, m); err != nil {
		return err
	}
	if len(n.c.members()) > voters+1 || n.with.IntN(3) > 0 {
		sleep(ctx, n.with, 200, 2000)
		return n.remove(ctx)
	}
	return nil
}

// remove removes a random member, and its directory.
func (n *nemesis) remove(ctx context.Context) error {
	m, err := n.take(ctx)
	if err != nil {
		return err
	}
	defer m.release()
	return n.removeThis(ctx, m)
}

func (n *nemesis) removeThis(ctx context.Context, m *machine) error {
	if err := n.lead(ctx, doQuery{What: "leave", ID: m.id}); err != nil {
		return err
	}
	m.setMember(false)
	m.kill()
	return m.wipe()
}

// removeLeader removes the leader, in whose place a spare node joins.
func (n *nemesis) removeLeader(ctx context.Context) error {
	m := n.c.now(ctx)
	if m == nil || !m.claim() {
		return nil
	}
	defer m.release()
	return n.replace(ctx, m)
}

func (n *nemesis) transfer(ctx context.Context) error {
	if m := n.c.now(ctx); m != nil {
		m.do(ctx, &doQuery{What: "transfer"}) // it may fail
	}
	return nil
}

func (n *nemesis) snapshot(ctx context.Context) error {
	for _, m := range n.c.members() {
		m.do(ctx, &doQuery{What: "snapshot"}) // there may be nothing new
	}
	return nil
}

func (n *nemesis) compact(ctx context.Context) error {
	all := n.c.members()
	all[n.with.IntN(len(all))].do(ctx, &doQuery{What: "compact", Milli: 10_000})
	return nil
}

// leaveBehind cuts a node off until the others have cut their logs, so that it is installed anew. The links are narrow at
// times: then an installation takes a while.
func (n *nemesis) leaveBehind(ctx context.Context) error {
	m, err := n.take(ctx)
	if err != nil {
		return err
	}
	heal := n.isolate(m, network{cut: true})
	sleep(ctx, n.with, 1500, 3500)
	heal()
	_ = n.snapshot(ctx)
	m.release()
	if n.with.IntN(2) == 0 {
		heal = n.isolate(m, network{perSec: 1 << 20})
		sleep(ctx, n.with, 500, 2000)
		heal()
	}
	return n.caughtUp(ctx, m)
}
