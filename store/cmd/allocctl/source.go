package main

import (
	"context"

	"allocstore/schema"
	"allocstore/store"
)

// A source is what allocations are read from. Its errors are those of package store.
type source interface {
	Get(ctx context.Context, id string) (*schema.Allocation, error)
	Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error)
	List(ctx context.Context, by filter) store.Allocations
	Close() error
}

// A filter says which allocations to list. At most one field is set; none lists all.
type filter struct {
	Node, Job, Eval, Prefix string
}

// local is a store that is open here, and that therefore nobody writes to.
type local struct{ *store.Store }

func (l local) Get(_ context.Context, id string) (*schema.Allocation, error) { return l.Store.Get(id) }

func (l local) List(_ context.Context, by filter) store.Allocations { return by.of(l.Store) }

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

// check refuses a filter with more than one field. The error is a usage error.
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
	return nil
}
