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

// get returns the allocation as it is now.
func get(ctx context.Context, s source, id string) (*schema.Allocation, error) {
	r, err := s.Wait(ctx, id, store.QueryOptions{})
	if err != nil {
		return nil, err
	}
	return found(&r)
}

// found returns the allocation of a result, or ErrNotFound.
func found(r *store.WaitResult) (*schema.Allocation, error) {
	if r.Alloc == nil {
		return nil, fmt.Errorf("%w: %s", store.ErrNotFound, r.ID)
	}
	return r.Alloc, nil
}

// A local source is a file that this process has open. It does not change: no other process can write
// to it.
type local struct{ *store.Store }

// Wait times out at once instead of waiting.
func (l local) Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error) {
	opts.MaxQueryTime = time.Nanosecond
	return l.Store.Wait(ctx, id, opts)
}

func (l local) List(_ context.Context, by filter) store.Allocations { return by.of(l.Store) }

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
	n := 0
	for _, given := range []string{by.Node, by.Job, by.Eval, by.Prefix} {
		if given != "" {
			n++
		}
	}
	if n > 1 {
		return usage("give one of --node, --job, --eval and --prefix")
	}
	_, _, err := schema.IDRange(by.Prefix)
	return err
}
