package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"allocstore/store"
)

// An ahead is a later state of a replica: the backup of another replica, and the entries that it has
// applied in between. The other one is on a disk of its own, which has no faults.
type ahead struct {
	stream []byte
	given  []given
}

// given is an entry.
type given struct {
	index uint64
	steps []step // nil: without a batch
}

// last returns the index that the store has when it has caught up.
func (a *ahead) last() uint64 { return a.given[len(a.given)-2].index }

// newAhead makes a state that is ahead of the store in use, of which the stream is a backup.
func (r *run) newAhead(stream []byte) (a *ahead, err error) {
	dir, err := os.MkdirTemp("", "ahead")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := store.Open(filepath.Join(dir, storeName), &store.Options{Replicated: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.CatchUp(context.Background(), bytes.NewReader(stream)); err != nil {
		return nil, err
	}
	a, at := new(ahead), r.applied
	for range 3 {
		at += 1 + r.Uint64N(3)
		a.given = append(a.given, given{at, r.generator.steps(true)})
	}
	a.given = append(a.given, given{index: at + 2})
	var entries []store.Entry
	for _, g := range a.given {
		entries = append(entries, store.Entry{Index: g.index, Batch: batchOf(g.steps)})
	}
	var b bytes.Buffer
	if _, err = s.ApplyEntries(context.Background(), entries); err == nil {
		_, err = s.Backup(context.Background(), &b)
	}
	a.stream = b.Bytes()
	return a, err
}

// caughtUp adds the entries to the history.
func (r *run) caughtUp(a *ahead) {
	for _, g := range a.given {
		r.give(g.index, g.steps)
	}
}

// goAhead has the store catch up with a replica that is ahead.
func (r *run) goAhead() error {
	var b bytes.Buffer
	if _, err := r.s.Backup(context.Background(), &b); err != nil {
		return err
	}
	a, err := r.newAhead(b.Bytes())
	if err != nil {
		return err
	}
	if err := r.s.CatchUp(context.Background(), bytes.NewReader(a.stream)); err != nil {
		return err
	}
	r.caughtUp(a)
	return r.disk.note(r.applied)
}

// goAhead is that of a run, with a disk that may fail. The waiter and the feed go on.
func (t *trial) goAhead() (ok bool, err error) {
	var b bytes.Buffer
	if _, failed := t.s.Backup(context.Background(), &b); failed != nil {
		return t.afterMaintenance(failed, nil)
	}
	a, err := t.newAhead(b.Bytes())
	if err != nil {
		return false, err
	}
	if failed := t.s.CatchUp(context.Background(), bytes.NewReader(a.stream)); failed != nil {
		t.assumedAt = a.last()
		return t.afterMaintenance(failed, func() { t.caughtUp(a) })
	}
	t.caughtUp(a)
	if err := t.matches(t.s, t.applied); err != nil {
		return false, err
	}
	return true, t.disk.note(t.applied)
}
