package main

import (
	"context"
	"iter"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// ourStore adapts allocstore to the peers' interfaces.
type ourStore struct {
	s *store.Store
}

var (
	_ durable = (*ourStore)(nil)
	_ getter  = (*ourStore)(nil)
	_ lister  = (*ourStore)(nil)
	_ parker  = (*ourStore)(nil)
)

func newOurs(path string) (*ourStore, error) {
	s, err := store.Open(path, nil)
	if err != nil {
		return nil, err
	}
	return &ourStore{s: s}, nil
}

func (o *ourStore) get(id string, got *found) (err error) {
	got.alloc, err = o.s.Get(id)
	return err
}

// getMany yields the allocations of the IDs in the order given.
func (o *ourStore) getMany(ids []string) iter.Seq2[*schema.Allocation, error] {
	return o.s.GetMany(ids)
}

func (o *ourStore) update(a *schema.Allocation) error {
	_, err := o.s.UpdateFromClient(context.Background(), a)
	return err
}

func (o *ourStore) updateAll(sent []*schema.Allocation) error {
	_, err := o.s.UpdateFromClient(context.Background(), sent...)
	return err
}

func (o *ourStore) client(id string) (*schema.Allocation, error) { return o.s.Get(id) }

func (o *ourStore) place(batch []*schema.Allocation) error {
	_, err := o.s.Upsert(context.Background(), batch...)
	return err
}

func (o *ourStore) load(d *data) error { return d.load(o) }

func (o *ourStore) quiesce() error { return nil }

func (o *ourStore) bytes() (int64, error) { return o.s.Stats().FileBytes, nil }

func (o *ourStore) close() error { return o.s.Close() }

func (o *ourStore) wait(ctx context.Context, id string, armed func()) error {
	opts := store.QueryOptions{MinQueryIndex: o.s.LastIndex(), MaxQueryTime: 10 * time.Minute}
	if armed != nil {
		armed()
	}
	_, err := o.s.Wait(ctx, id, opts)
	return err
}

func (o *ourStore) waiters() int { return o.s.Stats().Waiters }

func (o *ourStore) touch(a *schema.Allocation) error { return o.update(a) }

// event appends an event with the time stamp to the allocation's task.
func (o *ourStore) event(id string, stamp int64) error {
	ev := schema.TaskEvent{Type: schema.TaskStarted, Time: stamp}
	_, err := o.s.AppendTaskEvent(context.Background(), id, taskName, "", ev)
	return err
}

func (o *ourStore) view() (view, error) {
	sn, err := o.s.Snapshot()
	return ourView{sn}, err
}

// ourView is a snapshot of our store.
type ourView struct {
	sn *store.Snapshot
}

func (v ourView) list(kind listKind, key string, t *tally) error {
	for a, err := range v.allocations(kind, key) {
		if err != nil {
			return err
		}
		t.add(a)
	}
	return nil
}

func (v ourView) allocations(kind listKind, key string) iter.Seq2[*schema.Allocation, error] {
	switch kind {
	case nodeList:
		return v.sn.ByNode(key)
	case jobList:
		return v.sn.ByJob(key)
	case prefixList:
		return v.sn.ByPrefix(key)
	}
	return v.sn.All()
}

func (v ourView) close() error { return v.sn.Close() }
