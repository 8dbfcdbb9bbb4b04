package store

import (
	"errors"
	"iter"

	"allocstore/schema"
	"allocstore/store/internal/state"
)

// Allocations is a sequence of allocations in the order of their IDs. They are shared and
// must not be changed. An error comes with a nil allocation and ends the sequence, except
// the ErrCorrupt of a quarantined allocation, after which the sequence goes on if the
// caller does.
type Allocations = iter.Seq2[*schema.Allocation, error]

// A query selects a range of IDs of one list.
type query struct {
	list state.List
	ids  state.IDRange
	err  error // of a prefix that no ID can start with
}

// listQuery selects all IDs of a list.
func listQuery(kind state.ListKind, name string) query {
	return query{list: state.List{Kind: kind, Name: name}, ids: state.AllIDs()}
}

// prefixQuery selects all IDs that start with prefix.
func prefixQuery(prefix string) query {
	low, high, err := schema.IDRange(prefix)
	return query{list: state.List{Kind: state.Everything}, ids: state.IDRange{Low: low, High: high}, err: err}
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
// have any length and either case, with dashes where an ID has them. ErrInvalidID if no
// ID can start with it.
func (sn *Snapshot) ByPrefix(prefix string) Allocations { return sn.list(prefixQuery(prefix)) }

// All returns every allocation, in the order of their IDs.
func (sn *Snapshot) All() Allocations { return sn.list(prefixQuery("")) }

// pageLen is the number of IDs that are copied out of a list at a time. A running list needs
// that memory, and holds no lock between pages.
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
				return err == nil || sn.inList(q.list, id) || yield(nil, err)
			})
		}
	}
}

// inList reports whether the list has the ID.
func (sn *Snapshot) inList(list state.List, id schema.ID) bool {
	st, err := sn.state()
	return err == nil && st.Lists.Has(list, id)
}

// each calls fn with every ID of the list and its allocation at the snapshot's index, which
// may be nil, or the reason that it cannot be read. It stops when fn returns false, or at an
// error that is not limited to one allocation. It reports whether it reached the end.
func (sn *Snapshot) each(q query, fn func(schema.ID, *schema.Allocation, error) bool) bool {
	buf := make([]schema.ID, 0, pageLen)
	for {
		st, err := sn.state()
		var page []schema.ID
		if err == nil {
			page = st.Lists.Page(buf, q.list, q.ids)
			_, err = sn.state() // a list forgets entries when its snapshot closes
		}
		if err != nil {
			fn(schema.ID{}, nil, err)
			return false
		}
		for _, id := range page {
			a, err := sn.at(id)
			if more := fn(id, a, err); !more || err != nil && !errors.Is(err, ErrCorrupt) {
				return false
			}
		}
		if len(page) < pageLen || !q.ids.Advance(page[len(page)-1]) {
			return true
		}
	}
}

// ByNode returns the allocations placed on that node, in the order of their IDs, all at the
// index at which the iteration begins. See [Snapshot.ByNode].
func (s *Store) ByNode(nodeID string) Allocations { return s.list(listQuery(state.ByNode, nodeID)) }

// ByJob returns the allocations of that job. See [Snapshot.ByJob].
func (s *Store) ByJob(jobID string) Allocations { return s.list(listQuery(state.ByJob, jobID)) }

// ByEval returns the allocations that an evaluation placed. See [Snapshot.ByEval].
func (s *Store) ByEval(evalID string) Allocations { return s.list(listQuery(state.ByEval, evalID)) }

// ByPrefix returns the allocations whose ID starts with prefix. See [Snapshot.ByPrefix].
func (s *Store) ByPrefix(prefix string) Allocations { return s.list(prefixQuery(prefix)) }

// All returns every allocation. See [Snapshot.All].
func (s *Store) All() Allocations { return s.list(prefixQuery("")) }

// list runs q on a snapshot of its own.
func (s *Store) list(q query) Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		sn, err := s.Snapshot()
		if err != nil {
			yield(nil, err)
			return
		}
		defer sn.Close()
		sn.list(q)(yield)
	}
}
