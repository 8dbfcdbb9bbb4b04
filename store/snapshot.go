package store

import (
	"errors"
	"iter"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/state"
)

// Allocations is a sequence of allocations in the order of their IDs. They are shared and
// must not be changed. An error comes with a nil allocation and ends the sequence, except
// the ErrCorrupt of a quarantined allocation, after which the sequence goes on if the
// caller does.
type Allocations = iter.Seq2[*schema.Allocation, error]

// Snapshot is the store at one index: its reader sees the newest version of each allocation
// at or below that index, whatever is written meanwhile.
//
// It is an index and not a copy, and holds no transaction of the file, so it may be kept
// for long. It does keep compaction from forgetting: close it. An allocation that has
// changed since is read from the file, one record for each change.
type Snapshot struct {
	c      *core
	st     *state.State
	index  uint64
	closed atomic.Bool
}

// Snapshot returns a snapshot of the store at its last index, or ErrClosed. It does not
// block.
func (s *Store) Snapshot() (*Snapshot, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	st, at := s.enter()
	return &Snapshot{c: &s.core, st: st, index: at}, nil
}

// Index returns the index that the snapshot shows.
func (sn *Snapshot) Index() uint64 { return sn.index }

// Close releases the snapshot. Its methods return ErrClosed from then on. Calling it again
// does nothing. It always returns nil, which makes a Snapshot an io.Closer.
func (sn *Snapshot) Close() error {
	if !sn.closed.Swap(true) {
		sn.c.leave(sn.index)
	}
	return nil
}

// Get returns the allocation as it was at the snapshot's index, which is shared and must
// not be changed. It blocks while it reads the file.
//
// Errors: ErrNotFound; ErrInvalidID; ErrClosed; ErrRestored if the store was restored
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

// usable returns ErrClosed if the snapshot or its store is closed, and ErrRestored if the
// store was restored since.
func (sn *Snapshot) usable() error {
	if sn.closed.Load() || sn.c.closed.Load() {
		return ErrClosed
	}
	return sn.c.restoredSince(sn.st, sn.index)
}

// at returns the allocation at the snapshot's index, or nil if there was none.
func (sn *Snapshot) at(id schema.ID) (*schema.Allocation, error) {
	if err := sn.usable(); err != nil {
		return nil, err
	}
	a, err := sn.read(id)
	if e := sn.usable(); e != nil {
		return nil, e
	}
	return sn.c.handOut(a, err)
}

func (sn *Snapshot) read(id schema.ID) (*schema.Allocation, error) {
	v := sn.st.Table.Get(&id)
	switch {
	case v == nil:
		return nil, nil
	case v.Modified() > sn.index:
		return sn.st.AsOf(id, v.Pair(), sn.index)
	case v.Tombstone():
		return nil, nil
	}
	return sn.c.decode(sn.st, id, v)
}

// ByNode returns the allocations placed on that node, in the order of their IDs. The node's
// ID is compared as a whole: "node1" does not find the allocations of "node10".
func (sn *Snapshot) ByNode(nodeID string) Allocations {
	return sn.list(listQuery(state.ByNode, nodeID))
}

// ByJob returns the allocations of that job, in the order of their IDs.
func (sn *Snapshot) ByJob(jobID string) Allocations { return sn.list(listQuery(state.ByJob, jobID)) }

// ByEval returns the allocations that an evaluation placed, in the order of their IDs.
func (sn *Snapshot) ByEval(evalID string) Allocations {
	return sn.list(listQuery(state.ByEval, evalID))
}

// ByPrefix returns the allocations whose ID starts with prefix, in order. The prefix may
// have any length and either case, with dashes where an ID has them. ErrInvalid if no ID
// can start with it.
func (sn *Snapshot) ByPrefix(prefix string) Allocations { return sn.list(prefixQuery(prefix)) }

// All returns every allocation, in the order of their IDs.
func (sn *Snapshot) All() Allocations { return sn.list(prefixQuery("")) }

// pageLen is how many IDs are copied out of a list at a time. A running list needs that
// memory, and holds no lock between pages.
const pageLen = 128

// list returns the allocations of q at the snapshot's index. The list has the IDs to look
// at, and the versions at that index decide which belong to it. A quarantined allocation
// whose placement is unknown may belong to any list: its error comes at the end of each.
func (sn *Snapshot) list(q query) Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		if q.err != nil {
			yield(nil, q.err)
			return
		}
		more := sn.each(q, func(_ schema.ID, a *schema.Allocation, err error) bool {
			return err == nil && (a == nil || !q.list.Holds(a)) || yield(a, err)
		})
		if more && q.list.Named() {
			sn.each(listQuery(state.UnknownPlacement, ""), func(id schema.ID, _ *schema.Allocation, err error) bool {
				return err == nil || sn.st.Lists.Has(q.list, id) || yield(nil, err)
			})
		}
	}
}

// each calls fn with every ID of the list and its allocation at the snapshot's index, which
// may be nil, or the reason that it cannot be read. It stops when fn returns false, or at an
// error that is not limited to one allocation. It reports whether it reached the end.
func (sn *Snapshot) each(q query, fn func(schema.ID, *schema.Allocation, error) bool) bool {
	buf := make([]schema.ID, 0, pageLen)
	for {
		page := sn.st.Lists.Page(buf, q.list, q.ids)
		if err := sn.usable(); err != nil {
			fn(schema.ID{}, nil, err)
			return false
		}
		for _, id := range page {
			a, err := sn.at(id)
			if more := fn(id, a, err); !more || err != nil && !errors.Is(err, ErrCorrupt) {
				return false
			}
		}
		if len(page) < pageLen || !q.ids.After(page[len(page)-1]) {
			return true
		}
	}
}
