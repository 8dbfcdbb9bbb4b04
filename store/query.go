package store

import (
	"allocstore/schema"
	"allocstore/store/internal/state"
)

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
