package raftstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// A position is a place in the log, and the members as of it.
type position struct {
	index, term        uint64
	configuration      raft.Configuration
	configurationIndex uint64
}

// An fsm is the store as raft sees it. Raft calls it from one goroutine; snapshots are sent by others.
type fsm struct {
	store *store.Store
	dir   string
	halt  *halt
	log   raft.LogStore

	// mu is held while entries are applied, while the content is exchanged, and while a snapshot's
	// content and position are taken. Nothing waits for raft or the network under it.
	mu struct {
		sync.Mutex
		// at is the last entry that raft has given, or the snapshot that was installed. After a restart it
		// runs from the snapshot to AppliedIndex. From then on it is the place of the store's content.
		at        position
		meta      meta     // the newest snapshot
		installed *arrival // received, and not yet installed
	}

	// shown is the last entry that every store applies: a command or a change of the members, or the
	// snapshot that was installed. The entries that raft writes for itself are applied by no store.
	shown atomic.Pointer[place]

	base    atomic.Uint64 // index of the newest snapshot, as in mu.meta
	floor   floor
	audit   audit
	reached func(string) // Config.reached
}

// A place is an index of the log, and the term of its entry; 0 after an installation.
type place struct{ index, term uint64 }

var _ raft.BatchingFSM = (*fsm)(nil)

// newFSM returns the FSM of a store whose newest snapshot is m.
func newFSM(s *store.Store, dir string, m *meta, h *halt) *fsm {
	f := &fsm{store: s, dir: dir, halt: h}
	f.mu.meta = *m
	f.base.Store(m.Index)
	f.mu.at = m.position()
	f.shown.Store(new(place))
	return f
}

func (f *fsm) path(name string) string { return filepath.Join(f.dir, name) }

func (m *meta) position() position {
	return position{m.Index, m.Term, m.Configuration, m.ConfigurationIndex}
}

// Apply applies one entry.
func (f *fsm) Apply(log *raft.Log) any { return f.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies entries in one commit, if they fit. An answer is an outcome, or an ErrHalted.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers := make([]any, len(logs))
	n, err := f.applyLocked(logs, answers)
	if err != nil {
		err = f.halt.begin(err)
	}
	for i := n; i < len(logs); i++ {
		answers[i] = err
	}
	return answers
}

// applyLocked fills the answers to the entries that were applied and returns their number. If it is not that of all, it
// returns the error that halts the node.
func (f *fsm) applyLocked(logs []*raft.Log, answers []any) (n int, err error) {
	if err := f.halt.err(); err != nil {
		return 0, err
	}
	for n < len(logs) && err == nil {
		entries, audit, wrong := entriesOf(logs[n:])
		var results []store.Result
		results, err = f.store.ApplyEntries(context.Background(), entries)
		for i, r := range results {
			answers[n] = outcome{logs[n].Index, r}
			f.passLocked(logs[n], &entries[i])
			n++
		}
		if err == nil && audit != nil && !results[len(results)-1].Skipped {
			err = f.audit.pass(logs[n-1].Index, audit, f.store)
		}
		err = cmp.Or(err, wrong)
	}
	return n, err
}

// entriesOf decodes entries up to the first one that it cannot decode, or up to that of an audit.
func entriesOf(logs []*raft.Log) (entries []store.Entry, audit *digest, err error) {
	entries = make([]store.Entry, 0, len(logs))
	for _, log := range logs {
		e, audit, err := decodeLog(log)
		if err != nil {
			return entries, nil, err
		}
		if entries = append(entries, e); audit != nil {
			return entries, audit, nil
		}
	}
	return entries, nil, nil
}

// pass moves the position to the next entry.
func (at *position) pass(log *raft.Log) {
	at.index, at.term = log.Index, log.Term
	if log.Type == raft.LogConfiguration {
		at.configuration, at.configurationIndex = raft.DecodeConfiguration(log.Data), log.Index
	}
}

// passLocked notes that an entry is applied.
func (f *fsm) passLocked(log *raft.Log, e *store.Entry) {
	f.mu.at.pass(log)
	f.shown.Store(&place{log.Index, log.Term})
	f.floor.pass(e.Limits.Floor)
}

// Snapshot returns a snapshot, which is made when raft persists it.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.halt.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// Release does nothing: a snapshot holds nothing.
func (f *fsm) Release() {}

// Persist makes the store's AppliedIndex durable, and then says that the log may be cut up to the index of the
// snapshot. It copies nothing. The entries of the log's own that end at the index are no commands; the
// store is told of them here, so its AppliedIndex is not below the snapshot's.
func (f *fsm) Persist(sink raft.SnapshotSink) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := sink.(*arrival).meta
	if err := f.halt.err(); err != nil {
		return err
	}
	if m.Index <= f.mu.meta.Index {
		return fmt.Errorf("a snapshot at %d: there is one at %d", m.Index, f.mu.meta.Index)
	}
	if _, err := f.store.ApplyEntries(context.Background(), []store.Entry{{Index: m.Index}}); err != nil {
		return err
	}
	durable, err := f.store.PrepareBackup()
	if err != nil {
		return err
	}
	m.Held = durable.AppliedIndex()
	_ = durable.Close()
	if err := m.write(f.dir, metaName); err != nil {
		return err
	}
	f.mu.meta = m
	f.base.Store(m.Index)
	if f.mu.at.index < m.Index {
		f.mu.at.index, f.mu.at.term = m.Index, m.Term
	}
	return nil
}

// Restore installs the snapshot that has arrived. Its content is in a file beside the store's, and is exchanged. After
// an error the store is as it was, and raft does not take the snapshot's index; or the node has halted.
func (f *fsm) Restore(r io.ReadCloser) error {
	id, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.mu.installed
	if a == nil || a.meta.id() != string(id) {
		return fmt.Errorf("no snapshot %q has arrived", id)
	}
	f.mu.installed = nil
	err = f.halt.err()
	if err == nil {
		err = f.installLocked(a)
	}
	err = errors.Join(err, a.release())
	if err != nil && (a.operator || errors.Is(err, store.ErrFailed) || errors.Is(err, store.ErrDetached)) {
		err = f.halt.begin(err)
	}
	if a.operator {
		return nil // raft panics after an error of an operator's restore; a node that has halted does no harm
	}
	return err
}

// installLocked exchanges the content, between two steps that make the snapshot the newest one. Open ends an exchange that
// was interrupted after the content had changed, and forgets one that was interrupted before.
func (f *fsm) installLocked(a *arrival) error {
	m := a.meta
	m.Held = max(m.Index, f.store.AppliedIndex())
	if err := m.write(f.dir, nextMetaName); err != nil {
		return err
	}
	// Fresh reads wait for a new entry: a leader shows an operator's restore before a majority has it.
	f.shown.Store(&place{index: f.shown.Load().index})
	if a.install != nil {
		f.reach("before the exchange")
		if err := a.install.Apply(context.Background()); errors.Is(err, store.ErrFailed) {
			return err // it is unknown which content the file has: Open finds out, and needs the file of the next meta
		} else if err != nil {
			return errors.Join(err, removeSynced(f.path(nextMetaName)))
		}
		f.reach("after the exchange")
	}
	if err := rename(f.path(nextMetaName), f.path(metaName)); err != nil {
		return f.halt.begin(fmt.Errorf("snapshot at %d was installed: %w", m.Index, err))
	}
	f.mu.meta = m
	f.base.Store(m.Index)
	if f.mu.at.index < m.Index {
		f.mu.at = m.position()
	}
	f.shown.Store(&place{index: m.Index})
	return nil
}

func (f *fsm) reach(step string) {
	if f.reached != nil {
		f.reached(step)
	}
}
