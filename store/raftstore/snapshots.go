package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// Streams of snapshots begin with a byte, and a backup follows.
const (
	replicaStream  = 'S' // the content of another replica
	operatorStream = 'R' // an operator's restore
)

// snapshots is the raft.SnapshotStore of a node. There is one snapshot, and its content is the store itself: nothing
// is copied to take one, and the content that is sent is that of the moment, under its own index. A
// received snapshot is built into a file beside the store's while it arrives.
type snapshots struct {
	*fsm
	ctx context.Context // of the node
}

var _ raft.SnapshotStore = (*snapshots)(nil)

// List returns the newest snapshot.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.meta.Index == 0 {
		return nil, nil
	}
	return []*raft.SnapshotMeta{s.mu.meta.snapshot(0)}, nil
}

// Create begins a snapshot. If raft writes to it, it is one of another node, or an operator's.
func (s *snapshots) Create(_ raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if err := s.halt.err(); err != nil {
		return nil, err
	}
	m := meta{Index: index, Term: term, Configuration: c.Clone(), ConfigurationIndex: ci}
	return &arrival{s: s, meta: m}, nil
}

// Open returns the snapshot that has arrived, for Restore, or the store's own content to send, with its own index.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	a := s.mu.installed
	s.mu.Unlock()
	if a != nil && a.meta.id() == id {
		return a.meta.snapshot(a.size), io.NopCloser(strings.NewReader(id)), nil
	}
	return s.send()
}

// send returns the store's content. It reads the content twice, since raft wants its size first.
func (s *snapshots) send() (*raft.SnapshotMeta, io.ReadCloser, error) {
	b, m, err := s.prepare()
	if err != nil {
		return nil, nil, err
	}
	info, err := b.Write(s.ctx, io.Discard)
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	r, w := io.Pipe()
	d := &departure{PipeReader: r, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		_, err := w.Write([]byte{replicaStream})
		if err == nil {
			_, err = b.Write(s.ctx, w)
		}
		_ = w.CloseWithError(errors.Join(err, b.Close())) // always nil
	}()
	return m.snapshot(1 + info.Bytes), d, nil
}

// prepare pins the content and its position.
func (s *snapshots) prepare() (*store.Backup, *meta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.halt.err(); err != nil {
		return nil, nil, err
	}
	b, err := s.store.PrepareBackup()
	if err != nil {
		return nil, nil, err
	}
	at, err := s.positionLocked(b.AppliedIndex())
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the log is applied again up to %d: %w", b.AppliedIndex(), err), b.Close())
	}
	return b, &meta{Index: at.index, Term: at.term, Configuration: at.configuration.Clone(), ConfigurationIndex: at.configurationIndex}, nil
}

// positionLocked returns the position of an index that the store has applied. Raft may not have come to it since the start: a
// leader applies its log again only when a majority has it, and some of that may need the content first. All up to the index
// is committed, so the log has the terms and the members.
func (f *fsm) positionLocked(applied uint64) (position, error) {
	at := f.mu.at
	if at.index > applied {
		return at, fmt.Errorf("it is at %d", at.index)
	}
	for at.index < applied {
		var log raft.Log
		if err := readEntry(f.log, at.index+1, &log); err != nil {
			return at, fmt.Errorf("it is at %d: %w", at.index, err)
		}
		at.pass(&log)
	}
	return at, nil
}

// term returns the term of an entry of the log, or of the newest snapshot; 0 for any other index.
func (f *fsm) term(index uint64) uint64 {
	var log raft.Log
	if readEntry(f.log, index, &log) == nil {
		return log.Term
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if index == f.mu.meta.Index {
		return f.mu.meta.Term
	}
	return 0
}

// A departure is a snapshot on its way to another node.
type departure struct {
	*io.PipeReader
	done chan struct{}
}

// Close ends the sending, and waits for that.
func (d *departure) Close() error {
	err := d.PipeReader.Close()
	<-d.done
	return err
}

// An arrival is a snapshot on its way into the store. It is used by one goroutine at a time.
type arrival struct {
	s        *snapshots
	meta     meta
	size     int64 // of the bytes that have arrived
	operator bool
	to       *io.PipeWriter // nil before the first byte, and if the store has the content already
	done     chan error
	install  *store.Install // whole, and not applied
}

// ID names the snapshot.
func (a *arrival) ID() string { return a.meta.id() }

// Write takes bytes of the snapshot.
func (a *arrival) Write(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	rest := p
	if a.size == 0 {
		if err := a.begin(p[0]); err != nil {
			return 0, err
		}
		rest = p[1:]
	}
	if a.to != nil && len(rest) > 0 {
		if _, err := a.to.Write(rest); err != nil {
			return 0, err
		}
	}
	a.size += int64(len(p))
	return len(p), nil
}

// begin starts to build the file, unless the store is at the snapshot's index or past it, as after a crash before
// the leader was told. Then it has all that the snapshot has.
func (a *arrival) begin(kind byte) error {
	if kind != replicaStream && kind != operatorStream {
		return fmt.Errorf("%w: a snapshot of kind %q", store.ErrFormatVersion, kind)
	}
	a.operator = kind == operatorStream
	if err := a.s.mayTake(&a.meta); err != nil {
		return err
	}
	if a.s.store.AppliedIndex() >= a.meta.Index {
		return nil
	}
	r, w := io.Pipe()
	a.to, a.done = w, make(chan error, 1)
	go func() {
		in, err := a.s.store.PrepareCatchUp(a.s.ctx, r)
		a.install = in
		_ = r.CloseWithError(err) // which ends Write
		a.done <- err
	}()
	return nil
}

// mayTake returns why a snapshot that has arrived is none to install, or nil. One that is older than what raft has given
// comes from a message that was delayed, or from a leader whose cluster has gone on without this node's content.
func (s *snapshots) mayTake(m *meta) error {
	s.mu.Lock()
	at := s.mu.at
	s.mu.Unlock()
	if m.Index >= at.index {
		return nil
	}
	if m.Term > at.term {
		return s.halt.begin(fmt.Errorf("%w: its snapshot is at %d of term %d, and the store at %d of term %d", errLost, m.Index, m.Term, at.index, at.term))
	}
	return fmt.Errorf("a snapshot at %d has come too late: the store is at %d", m.Index, at.index)
}

// Close ends the snapshot: its file is whole and verified, and Restore exchanges it. A snapshot that has
// another index than raft says is refused. The FSM's own snapshots are empty.
func (a *arrival) Close() error {
	if a.size == 0 {
		return nil
	}
	if a.to != nil {
		if err := a.finish(); err != nil {
			return err
		}
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if old := a.s.mu.installed; old != nil && old != a {
		_ = old.release()
	}
	a.s.mu.installed = a
	return nil
}

// finish waits until the file is whole, and verifies its index.
func (a *arrival) finish() error {
	_ = a.to.Close()
	err := <-a.done
	a.to = nil
	if errors.Is(err, store.ErrInvalid) { // another history
		return a.s.halt.begin(fmt.Errorf("%w: %w", errLost, err))
	}
	if err != nil {
		return err
	}
	if at := a.install.AppliedIndex(); at != a.meta.Index {
		return errors.Join(fmt.Errorf("%w: a snapshot said to be of index %d has index %d", store.ErrCorrupt, a.meta.Index, at), a.install.Close())
	}
	return nil
}

// release removes the file, unless it was installed.
func (a *arrival) release() error {
	if a.install == nil {
		return nil
	}
	return a.install.Close()
}

// Cancel drops the bytes that have arrived.
func (a *arrival) Cancel() error {
	if a.to == nil {
		return a.release()
	}
	_ = a.to.CloseWithError(errors.New("the snapshot was canceled"))
	if err := <-a.done; err != nil {
		return nil
	}
	return a.release()
}
