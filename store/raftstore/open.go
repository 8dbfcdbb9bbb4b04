package raftstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"allocstore/store"
	"allocstore/store/internal/segmentsize"
)

// Open opens the node in a directory, which it creates, and starts raft. A new node belongs to no cluster, until
// it calls Bootstrap or the leader calls Join for it. Before raft starts, Open compares the store with the
// log, finishes an installation that was interrupted, and applies entries that the store lacks and the log still
// has.
//
// Errors: store.ErrInvalid for wrong settings; ErrLogMismatch; those of store.Open, among them ErrLocked and
// ErrCorrupt, after which the node is installed anew; those of the log and of raft. After an error all is
// closed, except Transport. It blocks until the store is read, and does not wait for a leader.
func Open(dir string, c *Config) (*Node, error) {
	if c == nil {
		c = new(Config)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	n := &Node{config: *c}
	n.verifier.n = n
	n.config.Logger = cmp.Or(c.Logger, slog.Default())
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.halt = newHalt()
	n.halt.tell, n.halt.closing = c.Halted, n.ctx.Done()
	n.up, n.halt.down = context.WithCancel(n.ctx)
	n.halt.note = func(err error) { n.config.Logger.Error("a raft node has halted", "id", c.ID, "err", err) }
	err := n.open(dir)
	close(n.halt.started)
	if err == nil && n.halt.err() != nil {
		err = errors.Join(n.halt.err(), n.raft.Shutdown().Error())
	}
	if err != nil {
		n.stop()
		n.halt.wait()
		n.tasks.Wait()
		return nil, fmt.Errorf("open %s: %w", dir, errors.Join(err, n.closeFiles()))
	}
	return n, nil
}

func (n *Node) open(dir string) (err error) {
	logDir := filepath.Join(dir, logName)
	if err := os.MkdirAll(logDir, 0o777); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	o := n.config.storeOptions()
	n.limits = limits(o)
	if n.store, err = store.Open(filepath.Join(dir, storeName), o); err != nil {
		if errors.Is(err, store.ErrCorrupt) {
			err = fmt.Errorf("%w; %s", err, anew)
		}
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, restoreDirName)); err != nil {
		return err
	}
	if err := n.openLog(logDir, cmp.Or(n.config.segmentBytes, segmentsize.Get(), wal.DefaultSegmentSize)); err != nil {
		return err
	}
	r := &recovery{dir: dir, store: n.store, log: n.wal, terms: n.wal}
	if err := r.run(); err != nil {
		return err
	}
	if n.newcomer, err = newNewcomer(dir, r.last, r.meta.Index, n.halt); err != nil {
		return err
	}
	n.fsm = newFSM(n.store, dir, r.meta, n.halt)
	n.fsm.reached, n.fsm.log = n.config.reached, n.wal
	return n.start()
}

// commitTimeout is the shortest time after which the leader tells its followers what is committed, if no entry follows.
// The longest is twice that. Until then a follower shows nothing of the last entries. Raft's default of 50 ms would delay
// a lone writer's Apply on a follower by 75 ms, and so every wait and every read there. The messages cost three idle
// nodes 4 % of a processor.
const commitTimeout = 5 * time.Millisecond

// start starts raft.
func (n *Node) start() (err error) {
	c := raft.DefaultConfig()
	c.MaxAppendEntries = 1024 // they are applied in one commit
	c.CommitTimeout = commitTimeout
	if n.config.Raft != nil {
		n.config.Raft(c)
	}
	c.LocalID = n.config.ID
	c.Logger = newHCLogger(n.config.Logger)
	c.NoSnapshotRestoreOnStart = true // the store has it, and more
	c.ShutdownOnRemove = false        // Close could not wait for raft, and the node can join again
	log := newLogCache(c.MaxAppendEntries, &guardedLog{LogStore: n.wal, halt: n.halt, files: n.files, base: &n.fsm.base})
	t, ours := n.config.Transport.(*Transport)
	if ours && n.config.Forward == nil {
		n.config.Forward = t.Forward
	}
	trans := n.config.Transport
	var guarded *newcomerTransport
	if n.newcomer != nil {
		trans, guarded = n.newcomer.transport(trans)
	}
	n.raft, err = raft.NewRaft(c, n.fsm, log, &guardedTerms{n.wal, n.halt}, &snapshots{n.fsm, n.ctx}, trans)
	if err != nil {
		return err
	}
	n.halt.raft = n.raft
	if guarded != nil {
		n.newcomer.begin(n.raft, n.fsm.term)
		n.tasks.Go(func() { n.newcomer.run(guarded, n.ctx.Done()) })
	}
	n.tasks.Go(n.lead)
	n.tasks.Go(n.watchStore)
	if ours {
		t.Serve(n.Handle)
	}
	return nil
}

// lead proposes an audit whenever this node becomes the leader, and now and then while it leads. The first one is needed in any case: unlike
// the entries that raft writes for itself it is applied on all nodes, so the place of the store's content is known, and the end of the log.
func (n *Node) lead() {
	tick := time.NewTicker(cmp.Or(n.config.auditInterval, auditInterval))
	defer tick.Stop()
	for {
		select {
		case leads := <-n.raft.LeaderCh():
			if leads {
				d, _ := n.fsm.audit.due(0)
				_, _ = n.propose(n.up, &entry{audit: &d}) // a new leader tries again
			}
		case <-tick.C:
			if n.raft.State() == raft.Leader {
				n.audit()
			}
		case <-n.up.Done():
			return
		}
	}
}

// watchStore halts the node if its store fails while no entry comes.
func (n *Node) watchStore() {
	err := n.store.WaitApplied(n.up, math.MaxUint64) // an index that no entry has
	if errors.Is(err, store.ErrFailed) || errors.Is(err, store.ErrDetached) {
		_ = n.halt.begin(err)
	}
}
