package main

import (
	"context"
	"fmt"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// A source is a store to read from. Its errors are those of package store.
type source interface {
	Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error)
	List(ctx context.Context, by filter) store.Allocations
}

// found returns the allocation of a wait, or ErrNotFound.
func found(r store.WaitResult, err error) (*schema.Allocation, error) {
	if err == nil && r.Alloc == nil {
		err = fmt.Errorf("%w: %s", store.ErrNotFound, r.ID)
	}
	return r.Alloc, err
}

// A local source is a file that this process has open. It does not change: no other process can write
// to it.
type local struct {
	*store.Store
	path string
}

// Wait returns an error instead of waiting.
func (l local) Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error) {
	opts.MaxQueryTime = time.Nanosecond
	r, err := l.Store.Wait(ctx, id, opts)
	if err == nil && r.Outcome == store.TimedOut {
		err = fmt.Errorf("allocation %s has not changed above index %d, and nothing writes to %s while it is open here: wait with --addr on the process that writes it", id, opts.MinQueryIndex, l.path)
	}
	return r, err
}

// List lists the allocations until ctx ends.
func (l local) List(ctx context.Context, by filter) store.Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		for alloc, err := range by.of(l.Store) {
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(alloc, err) {
				return
			}
		}
	}
}

// A filter selects the allocations of a list by at most one of its fields. The zero filter selects all.
type filter struct {
	Node, Job, Eval, Prefix string
}

// of lists the allocations of s.
func (by filter) of(s *store.Store) store.Allocations {
	switch {
	case by.Node != "":
		return s.ByNode(by.Node)
	case by.Job != "":
		return s.ByJob(by.Job)
	case by.Eval != "":
		return s.ByEval(by.Eval)
	}
	return s.ByPrefix(by.Prefix)
}

// check returns an error if the filter has more than one field, or if no ID can have the prefix.
func (by filter) check() error {
	switch by {
	case filter{Node: by.Node}, filter{Job: by.Job}, filter{Eval: by.Eval}, filter{Prefix: by.Prefix}:
		_, _, err := schema.IDRange(by.Prefix)
		return err
	}
	return usage("give one of --node, --job, --eval and --prefix")
}
