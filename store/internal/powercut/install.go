package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"allocstore/store/raftstore"
)

// An installWorkload is a way of using a node that has no vote, and takes snapshots of its leader. The
// leader's directory is not recorded. Each number of rounds says how often something is done.
type installWorkload struct {
	rounds  int
	away    int // the node is removed, and joins again when the log is cut
	reopen  int
	own     int // the node takes a snapshot by itself
	restore int // an operator's, on the leader, of the state of half as many rounds before
}

var installWorkloads = []installWorkload{
	{rounds: 14, away: 2, reopen: 5, own: 4, restore: never},
	{rounds: 12, away: 3, reopen: 4, own: 5, restore: 6},
}

// An installRun is a workload under way. Its memberRun is that of the leader, whose notes go to no disk.
type installRun struct {
	installWorkload
	*memberRun
	f    *member
	disk *disk
	dir  string
}

// An installRecording is a recording, with the leader's directory as it was at the end.
type installRecording struct {
	*recording
	leader string
}

// performInstall records a node that takes snapshots of its leader. The caller removes the leader's directory.
func performInstall(d *disk, w installWorkload, seed uint64) (_ *installRecording, err error) {
	leader, err := os.MkdirTemp(scratch(), "allocstore-powercut-leader-*")
	if err != nil {
		return nil, err
	}
	dir, err := d.newDir()
	if err == nil {
		err = d.begin(Fault{})
	}
	if err != nil {
		return nil, err
	}
	r := &installRun{installWorkload: w, disk: d, dir: dir}
	h := newHistory()
	h.inLog = true
	r.memberRun = &memberRun{history: h, generator: newGenerator(seed, workload{ids: idCount, largest: 300}), dir: leader}
	if err := r.perform(); err != nil {
		return nil, fmt.Errorf("follower, seed %d: %w", seed, err)
	}
	record, err := d.recorded()
	return &installRecording{&recording{record, h}, leader}, err
}

// perform opens both nodes and runs all rounds.
func (r *installRun) perform() (err error) {
	if r.m, err = openMember(r.memberRun.dir, alone, whileRecorded); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.m.Close()) }()
	if err := errors.Join(r.m.bootstrap(), r.m.lead(), r.open()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.f.Close()) }()
	for round := 1; round <= r.installWorkload.rounds; round++ {
		if err := r.round(round); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// open opens the follower.
func (r *installRun) open() (err error) {
	if r.f, err = openMember(r.dir, follower, untilAsked); err == nil {
		connect(r.f, r.m)
	}
	return err
}

func (r *installRun) round(round int) error {
	away := round%r.away == 0
	var err error
	if away {
		err = r.m.Leave(context.Background(), follower)
	}
	if err == nil && round%r.installWorkload.reopen == 0 {
		r.m.trans.Disconnect(r.f.trans.LocalAddr()) // ends its calls
		err = errors.Join(r.f.Close(), r.open())
	}
	for range 3 {
		if err == nil {
			err = errors.Join(r.write(false), r.refused())
		}
	}
	if err == nil && (away || round == 1) {
		err = errors.Join(r.m.snapshot(), r.join())
	}
	if err == nil && round%r.installWorkload.restore == r.installWorkload.restore/2 {
		err = r.save()
	}
	if err == nil && round%r.installWorkload.restore == 0 {
		err = r.restoreSaved()
	}
	if err == nil {
		err = r.follow()
	}
	if err == nil && !away && round%r.own == 3 {
		err = r.f.snapshot()
	}
	return err
}

// join has the leader add the follower.
func (r *installRun) join() error {
	return r.m.Join(context.Background(), raftstore.Member{ID: follower, Address: raft.ServerAddress(follower)})
}

// follow waits until the follower shows the leader's last index. A reader has seen its index then; and its log has all
// entries up to its last one.
func (r *installRun) follow() error {
	if err := r.f.shows(r.last); err != nil {
		return err
	}
	return errors.Join(r.disk.shown(r.f.Store().LastIndex()), r.disk.note(r.f.Raft().LastIndex()))
}

// shows waits until the node shows an index.
func (m *member) shows(index uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Store().WaitApplied(ctx, index); err != nil {
		return fmt.Errorf("index %d does not arrive: it is at %d: %w", index, m.Store().AppliedIndex(), err)
	}
	return nil
}

// cut cuts the power of the follower.
func (rec *installRecording) cut(c cutter) (*counts, error) {
	c.judge, c.workers = rec.judge, memberWorkers
	return c.cut(rec.recording)
}

// judge opens the follower in an image, without its leader. Its store must be in the state after a batch at or past
// the last one that a reader has seen, its applied index must be that of its content, and its log and snapshot must reach the
// last entry that was synced. With used it is then connected to the leader, and must become equal.
func (rec *installRecording) judge(h *history, img *trialImage, dir string) (v verdict) {
	defer v.recovered()
	own := filepath.Join(dir, "follower")
	if v.err = errors.Join(os.Mkdir(own, 0o700), img.writeTo(own)); v.err != nil {
		return v
	}
	m, err := openMember(own, follower, untilAsked)
	if err != nil {
		v.err = err
		return v
	}
	defer func() { v.err = errors.Join(v.err, m.Close()) }()
	last, applied := m.Raft().LastIndex(), m.Store().AppliedIndex()
	v.index, v.fresh = last, img.acked == 0
	if last < img.acked {
		v.err = fmt.Errorf("the log and the snapshot end at %d, and entry %d was synced", last, img.acked)
		return v
	}
	if v.err = h.matches(m.Store(), img.shown); v.err == nil {
		v.err = h.lacksNone(m.Store().LastIndex(), applied)
	}
	if v.err == nil && img.used {
		v.err = rec.reconnect(m, filepath.Join(dir, "leader"))
	}
	return v
}

// reconnect connects a follower to a copy of its leader, and waits until it is equal.
func (rec *installRecording) reconnect(f *member, dir string) (err error) {
	if err := os.CopyFS(dir, os.DirFS(rec.leader)); err != nil {
		return err
	}
	leader, err := openMember(dir, alone, whileJudged)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leader.Close()) }()
	connect(f, leader)
	if err := leader.lead(); err != nil {
		return err
	}
	index, err := leader.use()
	if err != nil {
		return err
	}
	if err := f.shows(index); err != nil {
		return err
	}
	at, digest := f.Store().Digest()
	wantAt, want := leader.Store().Digest()
	if at != wantAt || digest != want {
		return fmt.Errorf("the digest is %x of index %d, the leader's %x of index %d", digest, at, want, wantAt)
	}
	for fault := range f.Store().Check(context.Background()) {
		return fmt.Errorf("check after catching up: %w", fault)
	}
	return nil
}
