package store

import (
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/state"
)

// Snapshot is the store at one index: its reader sees the newest version of each allocation
// at or below that index, whatever is written meanwhile.
//
// It is an index and not a copy, and holds no transaction of the file, so it may be kept
// for long. It does keep compaction from forgetting, and after a restore the old content in
// memory: close it. An allocation that has changed since is read from the file, one record
// for each change.
type Snapshot struct {
	c     *core
	st    atomic.Pointer[state.State] // nil once it is closed
	index uint64
}

// Snapshot returns a snapshot of the store at its last index, or ErrClosed. It does not
// block.
func (s *Store) Snapshot() (*Snapshot, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	st, at := s.enter()
	sn := &Snapshot{c: &s.core, index: at}
	sn.st.Store(st)
	return sn, nil
}

// Index returns the index that the snapshot shows.
func (sn *Snapshot) Index() uint64 { return sn.index }

// Close releases the snapshot. Its methods return ErrClosed from then on. Calling it again
// does nothing. It always returns nil, which makes a Snapshot an io.Closer.
func (sn *Snapshot) Close() error {
	if sn.st.Swap(nil) != nil {
		sn.c.readers.Leave(sn.index)
	}
	return nil
}

// Get returns the allocation as it was at the snapshot's index, which is shared and must
// not be changed. It blocks while it reads the file.
//
// Errors: ErrNotFound; ErrInvalidID; ErrClosed; ErrRestored if the store was restored since;
// ErrCompacted if it has caught up since, and its floor is above the index; ErrCorrupt if the
// allocation is quarantined.
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

// state returns the state to read, which may be another one each time; ErrClosed if the snapshot or
// its store is closed, and the errors of core.follow.
func (sn *Snapshot) state() (*state.State, error) {
	st := sn.st.Load()
	if st == nil || sn.c.closed.Load() {
		return nil, ErrClosed
	}
	return sn.c.follow(st, sn.index, sn.index)
}

// at returns the allocation at the snapshot's index, or nil if it did not exist. If the read fails
// because the store has caught up, which closes the old file, it reads again.
func (sn *Snapshot) at(id schema.ID) (*schema.Allocation, error) {
	for {
		st, err := sn.state()
		if err != nil {
			return nil, err
		}
		a, err := sn.read(st, id)
		now, e := sn.state()
		if e != nil {
			return nil, e
		}
		if err == nil || now == st {
			return sn.c.handOut(a, err)
		}
	}
}

func (sn *Snapshot) read(st *state.State, id schema.ID) (*schema.Allocation, error) {
	v := st.Table.Get(&id)
	switch {
	case v == nil:
		return nil, nil
	case v.Modified() > sn.index:
		return st.AsOf(id, v.Pair(), sn.index)
	case v.Tombstone():
		return nil, nil
	}
	return sn.c.decode(st, id, v)
}
