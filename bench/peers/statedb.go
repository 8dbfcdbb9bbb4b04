package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/cilium/statedb"
	"github.com/cilium/statedb/index"

	"allocstore/schema"
)

// statedbStore keeps allocations in cilium's statedb: a table of pointers with
// one index, by ID, as the "Guide to StateDB" of its README sets one up.
type statedbStore struct {
	db      *statedb.DB
	rows    statedb.RWTable[*schema.Allocation]
	waiting atomic.Int64
}

var (
	_ inMemory = (*statedbStore)(nil)
	_ parker   = (*statedbStore)(nil)
)

// statedbByID has the ID's 16 bytes as its key, which its tree finds sooner than
// the 36 of the text.
var statedbByID = statedb.Index[*schema.Allocation, string]{
	Name:       "id",
	FromObject: func(a *schema.Allocation) index.KeySet { return index.NewKeySet(statedbKey(a.ID)) },
	FromKey:    statedbKey,
	Unique:     true,
}

// statedbKey is nil, under which nothing is, for what is no ID.
func statedbKey(id string) index.Key {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil
	}
	return parsed[:]
}

// newStatedb does not start the database: that would start the collector of what
// was deleted, and nothing is.
func newStatedb() (*statedbStore, error) {
	db := statedb.New()
	header := func() []string { return []string{"ID"} }
	row := func(a *schema.Allocation) []string { return []string{a.ID} }
	rows, err := statedb.NewTableAny(db, "allocs", header, row, statedbByID)
	return &statedbStore{db: db, rows: rows}, err
}

// get reads in a transaction of its own.
func (s *statedbStore) get(id string, got *found) error {
	got.alloc, _, _ = s.rows.Get(s.db.ReadTxn(), statedbByID.Query(id))
	return nil
}

// insert keeps rows as they are.
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

// update replaces rows by ones with what the client sent.
func (s *statedbStore) update(sent ...*schema.Allocation) error {
	txn := s.db.WriteTxn(s.rows)
	defer txn.Abort()
	for _, a := range sent {
		stored, _, ok := s.rows.Get(txn, statedbByID.Query(a.ID))
		if !ok {
			return fmt.Errorf("%w: %s", errMissing, a.ID)
		}
		if _, _, err := s.rows.Insert(txn, schema.ClientUpdate(stored, a, stored.ModifyIndex+1)); err != nil {
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

// watch is apart from wait so that nobody holds a transaction while waiting, as
// the README advises under "Performance considerations".
func (s *statedbStore) watch(id string) (<-chan struct{}, error) {
	_, _, changed, ok := s.rows.GetWatch(s.db.ReadTxn(), statedbByID.Query(id))
	if !ok {
		return nil, fmt.Errorf("%w: %s", errMissing, id)
	}
	return changed, nil
}

func (s *statedbStore) waiters() int { return int(s.waiting.Load()) }

func (s *statedbStore) touch(a *schema.Allocation) error { return s.update(a) }
