package store

import (
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"

	"allocstore/schema"
)

// Allocations is a sequence of allocations in the order of their IDs. They are
// shared and must not be changed. If something goes wrong the sequence ends with a nil
// allocation and the error; only after the ErrCorrupt of an allocation whose records
// are damaged does it go on, if the caller does.
type Allocations = iter.Seq2[*schema.Allocation, error]

// Snapshot is the store at one index: a reader of it sees the newest version of
// each allocation at or below that index, whatever is written meanwhile.
//
// It is a number and not a copy, and holds no transaction of the file, so it may
// be held for long. What it does hold up is forgetting: close it. An allocation
// that has changed since is read from the file, one record for each change.
type Snapshot struct {
	s      *Store
	index  uint64
	closed atomic.Bool
}

// Snapshot returns a snapshot of the store at its last index, or ErrClosed. It
// does not block, but for the moment in which a restore exchanges the content.
func (s *Store) Snapshot() (*Snapshot, error) {
	for {
		if s.closed.Load() {
			return nil, ErrClosed
		}
		index := s.readers.enter(s.index.Last)
		if s.since(index) == nil {
			return &Snapshot{s: s, index: index}, nil
		}
		s.readers.leave(index)
		runtime.Gosched()
	}
}

// Index returns the index that the snapshot shows.
func (sn *Snapshot) Index() uint64 { return sn.index }

// Close releases the snapshot. Its methods return ErrClosed from then on. Calling
// it again does nothing. It returns nil always; io.Closer asks for the error.
func (sn *Snapshot) Close() error {
	if !sn.closed.Swap(true) {
		sn.s.leave(sn.index)
	}
	return nil
}

// leave ends a reader at index, and forgets what only that one still needed.
func (s *Store) leave(index uint64) {
	s.readers.leave(index)
	s.sweepLists()
}

// Get returns the allocation as it was at the snapshot's index, which is shared and
// must not be changed. It blocks while it reads the file.
//
// Errors: ErrNotFound; ErrInvalidID; ErrClosed; ErrCompacted if the store was restored
// since; ErrCorrupt if the allocation is quarantined.
func (sn *Snapshot) Get(id string) (*schema.Allocation, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil, err
	}
	a, err := sn.at(parsed)
	if err == nil && a == nil {
		err = notFound(parsed)
	}
	return a, err
}

// usable returns ErrClosed if the snapshot, or its store, is closed, and ErrCompacted
// if the store was restored since. What was read before the call then may be what was
// restored.
func (sn *Snapshot) usable() error {
	if sn.closed.Load() || sn.s.closed.Load() {
		return ErrClosed
	}
	return sn.s.since(sn.index)
}

// since returns ErrCompacted if the store has been restored, or is being restored, after
// the index.
func (s *Store) since(index uint64) error {
	if s.restoring.Load() || index < s.restored.Load() {
		return fmt.Errorf("%w: the store was restored after index %d", ErrCompacted, index)
	}
	return nil
}

// at returns the allocation at the snapshot's index, or nil if there was none.
func (sn *Snapshot) at(id schema.ID) (*schema.Allocation, error) {
	if err := sn.usable(); err != nil {
		return nil, err
	}
	a, err := sn.look(id)
	if e := sn.usable(); e != nil {
		return nil, e
	}
	return sn.s.handOut(a, err)
}

func (sn *Snapshot) look(id schema.ID) (*schema.Allocation, error) {
	v := sn.s.table.get(&id)
	switch {
	case v == nil:
		return nil, nil
	case v.modified() > sn.index:
		return sn.s.asOf(id, v.pair(), sn.index)
	case v.tombstone():
		return nil, nil
	}
	return sn.s.decode(id, v)
}

// asOf returns the allocation as it was at index, or nil if there was none then.
// It goes back from p record by record, each of which names what it replaced.
func (s *Store) asOf(id schema.ID, p pair, index uint64) (a *schema.Allocation, err error) {
	err = s.file.view(func(r reading) error {
		for p.newest().index > index {
			rec, err := r.record(p.newest())
			if err != nil {
				return err
			}
			if rec.id != id || !p.newest().after(rec.prev.newest()) {
				return corruptAt(p.newest(), "not a version of allocation %v", id)
			}
			p = rec.prev
		}
		if p == (pair{}) {
			return nil
		}
		a, err = s.assemble(r, id, p, knowledge{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("allocation %v: %w", id, err)
	}
	return a, nil
}

// ByNode returns the allocations placed on that node, in the order of their IDs.
// The node's ID is compared as a whole: "node1" does not find those of "node10".
func (sn *Snapshot) ByNode(nodeID string) Allocations { return sn.list(listQuery(byNode, nodeID)) }

// ByJob returns the allocations of that job, in the order of their IDs.
func (sn *Snapshot) ByJob(jobID string) Allocations { return sn.list(listQuery(byJob, jobID)) }

// ByEval returns the allocations that an evaluation placed, in the order of
// their IDs.
func (sn *Snapshot) ByEval(evalID string) Allocations { return sn.list(listQuery(byEval, evalID)) }

// ByPrefix returns the allocations whose ID starts with prefix, in order. The
// prefix may be of any length and in either case, with its dashes where an ID
// has them; one that no ID can start with is ErrInvalidID.
func (sn *Snapshot) ByPrefix(prefix string) Allocations { return sn.list(prefixQuery(prefix)) }

// All returns every allocation, in the order of their IDs.
func (sn *Snapshot) All() Allocations { return sn.list(prefixQuery("")) }
