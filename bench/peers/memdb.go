package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/go-memdb"

	"allocstore/schema"
)

// memdbStore keeps allocations in go-memdb, as a scheduler's state store does: a table
// of pointers, indexed by UUID, node, job and evaluation.
type memdbStore struct {
	db      *memdb.MemDB
	waiting atomic.Int64
}

var (
	_ getter = (*memdbStore)(nil)
	_ lister = (*memdbStore)(nil)
	_ placer = (*memdbStore)(nil)
	_ parker = (*memdbStore)(nil)
)

const memdbTable = "allocs"

var errMissing = errors.New("allocation is missing")

func newMemdb() (*memdbStore, error) {
	text := func(name, field string) *memdb.IndexSchema {
		return &memdb.IndexSchema{Name: name, Indexer: &memdb.StringFieldIndex{Field: field}}
	}
	db, err := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{memdbTable: {
		Name: memdbTable,
		Indexes: map[string]*memdb.IndexSchema{
			"id":   {Name: "id", Unique: true, Indexer: &memdb.UUIDFieldIndex{Field: "ID"}},
			"node": text("node", "NodeID"),
			"job":  text("job", "JobID"),
			"eval": text("eval", "EvalID"),
		},
	}}})
	return &memdbStore{db: db}, err
}

// get reads in a transaction of its own.
func (m *memdbStore) get(id string, got *found) error {
	row, err := m.db.Txn(false).First(memdbTable, "id", id)
	if err != nil {
		return err
	}
	got.alloc, _ = row.(*schema.Allocation)
	return nil
}

// place inserts copies of the batch.
func (m *memdbStore) place(batch []*schema.Allocation) error {
	rows := make([]*schema.Allocation, len(batch))
	for i, a := range batch {
		var err error
		if rows[i], err = copyOf(a); err != nil {
			return err
		}
	}
	return m.insert(rows)
}

// insert inserts the rows without copying them.
func (m *memdbStore) insert(rows []*schema.Allocation) error {
	txn := m.db.Txn(true)
	defer txn.Abort()
	for _, a := range rows {
		if err := txn.Insert(memdbTable, a); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

// update replaces each row by a copy with the client's update.
func (m *memdbStore) update(sent ...*schema.Allocation) error {
	txn := m.db.Txn(true)
	defer txn.Abort()
	for _, a := range sent {
		row, err := txn.First(memdbTable, "id", a.ID)
		if err != nil {
			return err
		}
		stored, ok := row.(*schema.Allocation)
		if !ok {
			return fmt.Errorf("%w: %s", errMissing, a.ID)
		}
		if err := txn.Insert(memdbTable, withReport(stored, a)); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

func (m *memdbStore) wait(ctx context.Context, id string, armed func()) error {
	changed, row, err := m.db.Txn(false).FirstWatch(memdbTable, "id", id)
	if err != nil {
		return err
	}
	if row == nil {
		return fmt.Errorf("%w: %s", errMissing, id)
	}
	watched := memdb.NewWatchSet()
	watched.Add(changed)
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	if armed != nil {
		armed()
	}
	return watched.WatchCtx(ctx)
}

func (m *memdbStore) waiters() int { return int(m.waiting.Load()) }

func (m *memdbStore) client(id string) (*schema.Allocation, error) {
	var got found
	if err := m.get(id, &got); err != nil {
		return nil, err
	}
	if got.alloc == nil {
		return nil, fmt.Errorf("%w: %s", errMissing, id)
	}
	return got.alloc, nil
}

func (m *memdbStore) touch(a *schema.Allocation) error { return m.update(a) }

func (m *memdbStore) view() (view, error) { return memdbView{m.db.Txn(false)}, nil }

// memdbView is a read transaction.
type memdbView struct {
	txn *memdb.Txn
}

func (v memdbView) list(kind listKind, key string, t *tally) error {
	rows, err := v.rows(kind, key)
	if err != nil {
		return err
	}
	for row := rows.Next(); row != nil; row = rows.Next() {
		t.add(row.(*schema.Allocation))
	}
	return nil
}

func (v memdbView) rows(kind listKind, key string) (memdb.ResultIterator, error) {
	switch kind {
	case nodeList:
		return v.txn.Get(memdbTable, "node", key)
	case jobList:
		return v.txn.Get(memdbTable, "job", key)
	case prefixList:
		return v.txn.Get(memdbTable, "id_prefix", key)
	}
	return v.txn.Get(memdbTable, "id")
}

func (v memdbView) close() error {
	v.txn.Abort()
	return nil
}
