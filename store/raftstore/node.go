package raftstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"allocstore/store"
)

// Config has the settings of a node. Open copies it. ID and Transport are required.
type Config struct {
	// ID names the node in the cluster, for ever: a node with a new directory gets a new ID, or its old one is
	// removed from the cluster first.
	ID raft.ServerID

	// Transport connects the nodes. Close closes it if it is an io.Closer. A *Transport also forwards:
	// Forward may be nil then.
	Transport raft.Transport

	// Store has the options of the store; Replicated is set. Limits are checked by the node that Apply is called
	// on, travel with the entry, and mean the same on all nodes.
	Store *store.Options

	// Raft may change raft's configuration, which has raft's defaults, but MaxAppendEntries of 1,024 and
	// CommitTimeout of 5 ms.
	// LocalID, Logger, NoSnapshotRestoreOnStart and ShutdownOnRemove are set afterwards. Nil changes nothing.
	Raft func(*raft.Config)

	// Forward sends a request to the node at an address, and returns the answer of its Handle. An error that is
	// ErrNotLeader says that the request was not sent; after any other error the outcome is
	// unknown. Nil forwards nothing: Apply and Read return ErrNotLeader on followers, and a Linearizable read on
	// the leader writes an entry to the log.
	Forward func(ctx context.Context, to raft.ServerAddress, request []byte) ([]byte, error)

	// Halted is called once if the node halts, with an ErrHalted that has the reason, after the node has left
	// raft. It has a goroutine of its own, and may call Close. Nil is fine: Apply and Read return the error too.
	Halted func(error)

	// Logger receives the messages of the store, and those of raft. Nil means [slog.Default] as of Open.
	Logger *slog.Logger

	// segmentBytes is the size of the log's files in tests; 0 means 64 MiB. A file goes when all its entries are cut.
	segmentBytes int

	// auditInterval is the time between audits in tests; 0 means the constant.
	auditInterval time.Duration

	// reached is called at the steps of an installation, in tests that look at the files then.
	reached func(step string)
}

// A Node is one member of a cluster: a store, its log, and raft. Its methods may be called from any
// goroutine.
type Node struct {
	config Config
	store  *store.Store
	fsm    *fsm
	halt   *halt
	limits store.Limits // of this node's entries

	verifier verifier
	newcomer *newcomer // nil if the node has caught up in an earlier process

	wal   *wal.WAL
	files *logFiles
	meta  *logMeta
	raft  *raft.Raft

	ctx   context.Context // ends when Close begins
	stop  context.CancelFunc
	up    context.Context // ends when Close begins, or the node halts
	tasks sync.WaitGroup

	// closing makes Close wait for a Restore: raft panics if it stops during one.
	closing sync.RWMutex
	closed  sync.Once
	err     error // of Close
}

// Store returns the node's store, for reads, waits, lists and feeds. Writes to it are store.ErrReplicated. It is
// closed by Close. It shows the entries that this node has applied: see Read.
func (n *Node) Store() *store.Store { return n.store }

// Raft returns raft, for its state, its statistics, and leadership transfers. Its Apply and Restore must not be called.
func (n *Node) Raft() *raft.Raft { return n.raft }

// Close stops the node: raft, the log and then the store. It waits for a running Restore. Other running calls end, with ErrOutcomeUnknown if their batch
// was proposed. The other nodes elect a new leader after an election timeout; a leader that is to be missed for less
// transfers the leadership first (Raft().LeadershipTransfer). Close blocks until everything is closed. Calling it again
// returns the same error.
func (n *Node) Close() error {
	n.closed.Do(func() {
		n.stop()         // which ends a Restore as soon as raft may stop
		n.closing.Lock() // and never unlocked: no Restore begins any more
		n.err = n.close()
	})
	return n.err
}

func (n *Node) close() error {
	var errs []error
	if c, ok := n.config.Transport.(io.Closer); ok {
		errs = append(errs, c.Close()) // raft may read a snapshot from it
	}
	if n.raft != nil {
		errs = append(errs, n.raft.Shutdown().Error())
	}
	n.halt.wait()
	n.tasks.Wait()
	if a := n.fsm; a != nil {
		errs = append(errs, a.drop())
	}
	return errors.Join(append(errs, n.closeFiles())...)
}

// drop removes a snapshot that has arrived and was not installed.
func (f *fsm) drop() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.mu.installed
	if f.mu.installed = nil; a == nil {
		return nil
	}
	return a.release()
}

// closeFiles closes the log and the store. Closing the log leaves its metadata open and locked.
func (n *Node) closeFiles() error {
	var errs []error
	if n.wal != nil {
		errs = append(errs, n.wal.Close())
	}
	if n.meta != nil {
		errs = append(errs, n.meta.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}

// available returns why the node answers nothing, or nil.
func (n *Node) available() error {
	if n.ctx.Err() != nil {
		return store.ErrClosed
	}
	return n.halt.err()
}

// validate returns the faults of the settings.
func (c *Config) validate() error {
	var errs []error
	if c.ID == "" {
		errs = append(errs, fmt.Errorf("%w: Config.ID is empty", store.ErrInvalid))
	}
	if c.Transport == nil {
		errs = append(errs, fmt.Errorf("%w: Config.Transport is nil", store.ErrInvalid))
	}
	return errors.Join(append(errs, c.Store.Validate())...)
}

// storeOptions returns the options of the store.
func (c *Config) storeOptions() *store.Options {
	var o store.Options
	if c.Store != nil {
		o = *c.Store
	}
	o.Replicated, o.ReadOnly = true, false
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return &o
}

// limits returns the limits of the entries of a node with these options.
func limits(o *store.Options) store.Limits {
	return store.Limits{
		AllocationBytes: cmp.Or(o.MaxAllocationBytes, store.DefaultMaxAllocationBytes),
		BatchBytes:      cmp.Or(o.MaxBatchBytes, store.DefaultMaxBatchBytes),
	}
}
