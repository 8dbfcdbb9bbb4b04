package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/cilium/statedb"
	"github.com/cilium/statedb/index"

	"allocstore/schema"
)

// statedbStore keeps allocations in cilium's statedb: a table of pointers indexed by ID,
// and for lists by node, job and evaluation too, set up as in the "Guide to StateDB" of
// its README.
type statedbStore struct {
	db      *statedb.DB
	rows    statedb.RWTable[*schema.Allocation]
	waiting atomic.Int64
}

var (
	_ listedRows = (*statedbStore)(nil)
	_ parker     = (*statedbStore)(nil)
)

// statedbByID uses the ID's 16 bytes as its key; statedb finds them faster than the 36
// characters of the text.
var statedbByID = statedbIndex{
	Name:       "id",
	FromObject: func(a *schema.Allocation) index.KeySet { return index.NewKeySet(statedbKey(a.ID)) },
	FromKey:    statedbKey,
	Unique:     true,
}

// statedbKey returns nil for an invalid ID. No row has that key.
func statedbKey(id string) index.Key {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil
	}
	return parsed[:]
}

// The indexes for lists.
var (
	statedbByNode = statedbBy("node", func(a *schema.Allocation) string { return a.NodeID })
	statedbByJob  = statedbBy("job", func(a *schema.Allocation) string { return a.JobID })
	statedbByEval = statedbBy("eval", func(a *schema.Allocation) string { return a.EvalID })
)

type statedbIndex = statedb.Index[*schema.Allocation, string]

func statedbBy(name string, field func(*schema.Allocation) string) statedbIndex {
	return statedbIndex{
		Name:       name,
		FromObject: func(a *schema.Allocation) index.KeySet { return index.NewKeySet(index.String(field(a))) },
		FromKey:    index.String,
		FromString: index.FromString,
	}
}

// newStatedb returns a store with these indexes beside the one by ID. It does not start
// the database, since that only starts the collection of deleted rows.
func newStatedb(lists ...statedb.Indexer[*schema.Allocation]) (*statedbStore, error) {
	db := statedb.New()
	header := func() []string { return []string{"ID"} }
	row := func(a *schema.Allocation) []string { return []string{a.ID} }
	rows, err := statedb.NewTableAny(db, "allocs", header, row, statedbByID, lists...)
	return &statedbStore{db: db, rows: rows}, err
}

// get reads in a transaction of its own.
func (s *statedbStore) get(id string, got *found) error {
	got.alloc, _, _ = s.rows.Get(s.db.ReadTxn(), statedbByID.Query(id))
	return nil
}

// insert inserts the rows without copying them.
func (s *statedbStore) insert(rows []*schema.Allocation) error {
	txn := s.db.WriteTxn(s.rows)
	defer txn.Abort()
	for _, a := range rows {
		if _, _, err := s.rows.Insert(txn, a); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

// update replaces each row by a copy with the client's update.
func (s *statedbStore) update(sent ...*schema.Allocation) error {
	txn := s.db.WriteTxn(s.rows)
	defer txn.Abort()
	for _, a := range sent {
		stored, _, ok := s.rows.Get(txn, statedbByID.Query(a.ID))
		if !ok {
			return fmt.Errorf("%w: %s", errMissing, a.ID)
		}
		if _, _, err := s.rows.Insert(txn, withReport(stored, a)); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

func (s *statedbStore) wait(ctx context.Context, id string, armed func()) error {
	changed, err := s.watch(id)
	if err != nil {
		return err
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	if armed != nil {
		armed()
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch is a separate function so that a waiting reader holds no transaction, as the
// README advises under "Performance considerations".
func (s *statedbStore) watch(id string) (<-chan struct{}, error) {
	_, _, changed, ok := s.rows.GetWatch(s.db.ReadTxn(), statedbByID.Query(id))
	if !ok {
		return nil, fmt.Errorf("%w: %s", errMissing, id)
	}
	return changed, nil
}

func (s *statedbStore) waiters() int { return int(s.waiting.Load()) }

func (s *statedbStore) touch(a *schema.Allocation) error { return s.update(a) }

func (s *statedbStore) view() (view, error) { return statedbView{s.rows, s.db.ReadTxn()}, nil }

// statedbView is a read transaction.
type statedbView struct {
	table statedb.RWTable[*schema.Allocation]
	txn   statedb.ReadTxn
}

func (v statedbView) list(kind listKind, key string, t *tally) error {
	rows, err := v.rows(kind, key)
	if err != nil {
		return err
	}
	for a := range rows {
		t.add(a)
	}
	return nil
}

func (v statedbView) rows(kind listKind, key string) (iter.Seq2[*schema.Allocation, statedb.Revision], error) {
	switch kind {
	case nodeList:
		return v.table.List(v.txn, statedbByNode.Query(key)), nil
	case jobList:
		return v.table.List(v.txn, statedbByJob.Query(key)), nil
	case prefixList:
		prefix, err := hex.DecodeString(key)
		return v.table.Prefix(v.txn, statedbByID.QueryFromKey(prefix)), err
	}
	return v.table.All(v.txn), nil
}

func (v statedbView) close() error { return nil }
