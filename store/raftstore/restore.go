package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// restoreGap is added to the last index of the log for the index of a restore, which is chosen before the log
// stops: gaps are fine.
const restoreGap = 1 << 24

// Restore replaces the content of all nodes by that of a backup, of this cluster or any store. It has one index,
// which is the same on all nodes. At it readers are told Restored, as after store.Restore; it is above all indexes of the
// log and of the backup. Only the leader can restore.
//
// The leader shows the content before a majority has it. If it is lost before then, the others go on without the restore, and the
// node halts when it hears of them.
//
// The backup is verified, and brought to the index, in a directory beside the store, before raft hears of it. Restore
// returns when this node shows the content, and a majority has it. It blocks until then, or until ctx ends. Batches that are proposed meanwhile
// are lost, or get ErrOutcomeUnknown. The node needs room for three times the backup.
//
// Errors: ErrNotLeader; those of store.Restore, for a wrong backup: nothing has changed. ErrOutcomeUnknown if the
// leadership was lost, or ctx ended before a majority had it: call Read, and look. ErrHalted; store.ErrClosed; ctx's error
// before raft is involved.
func (n *Node) Restore(ctx context.Context, r io.Reader) error {
	if !n.closing.TryRLock() {
		return store.ErrClosed
	}
	defer n.closing.RUnlock()
	if err := n.available(); err != nil {
		return err
	}
	if n.raft.State() != raft.Leader {
		return fmt.Errorf("restore: %w: this node follows", ErrNotLeader)
	}
	ctx, cancel := n.whileUp(ctx)
	defer cancel()
	if err := n.restore(ctx, r); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

func (n *Node) restore(ctx context.Context, r io.Reader) (err error) {
	dir := n.fsm.path(restoreDirName)
	if err := os.Mkdir(dir, 0o777); err != nil { // another Restore is running
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, storeName)
	if err := n.fill(ctx, path, r); err != nil {
		return err
	}
	o := n.config.storeOptions()
	s, err := store.Open(path, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	at := max(n.raft.LastIndex()+restoreGap, s.AppliedIndex()) + 2
	_, err = s.ApplyEntries(ctx, []store.Entry{{Index: at - 1, Limits: store.Limits{Floor: at - 1}}, {Index: at, Mark: true}})
	if err != nil {
		return err
	}
	return n.replace(ctx, s, at)
}

// fill restores the backup into a new store.
func (n *Node) fill(ctx context.Context, path string, r io.Reader) (err error) {
	o := n.config.storeOptions()
	o.Replicated = false
	s, err := store.Open(path, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Restore(ctx, r)
}

// replace lets raft replace the content of all nodes by that of s, which is at the index.
func (n *Node) replace(ctx context.Context, s *store.Store, at uint64) (err error) {
	b, err := s.PrepareBackup()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	info, err := b.Write(ctx, io.Discard)
	if err != nil {
		return err
	}
	from, to := io.Pipe()
	defer from.Close()
	go func() {
		_, err := to.Write([]byte{operatorStream})
		if err == nil {
			_, err = b.Write(ctx, to)
		}
		_ = to.CloseWithError(err) // always nil
	}()
	var timeout time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 1)
	}
	m := &raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Index: at - 1, Size: 1 + info.Bytes}
	n.halt.restore.Lock()
	defer n.halt.restore.Unlock()
	restored := make(chan error, 1)
	go func() { restored <- n.raft.Restore(m, from, timeout) }()
	err = n.awaitRestore(ctx, at, restored)
	switch {
	case n.halt.err() != nil:
		return n.halt.err()
	case errors.Is(err, raft.ErrNotLeader) && n.store.AppliedIndex() < at:
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil
}

// awaitRestore waits for the end of raft's restore. If ctx ends it does not wait for the majority, which
// may never come: the leader leads on while its followers cannot install the content. It waits until raft has the content
// or has refused it, because raft panics if it stops before; or until the node has halted and leads no more, since raft's goroutine
// may have ended by an entry that cannot be read.
func (n *Node) awaitRestore(ctx context.Context, at uint64, restored <-chan error) error {
	select {
	case err := <-restored:
		return err
	case <-ctx.Done():
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for n.raft.LastIndex() < at {
		if _, leader := n.raft.LeaderWithID(); n.halt.err() != nil && leader != n.config.ID {
			return ctx.Err()
		}
		select {
		case err := <-restored:
			return err
		case <-look.C:
		}
	}
	return ctx.Err()
}
