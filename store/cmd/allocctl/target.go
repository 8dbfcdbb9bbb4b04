package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/raftstore"
	"allocstore/store/raftstore/rafthttp"
)

// A target is a store that an import writes to.
type target interface {
	Get(id string) (*schema.Allocation, error)
	Apply(ctx context.Context, b *store.Batch) (store.Applied, error)
	LastIndex() uint64
}

// The time for which a write is tried again, and the pauses between two tries.
const (
	retryTime  = time.Minute
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// A nodeTarget is the store of a cluster, through one of its nodes. It is used by one goroutine.
type nodeTarget struct {
	remote
	node *rafthttp.Client
	ctx  context.Context // ends the tries
	last uint64
}

// withTarget calls fn with the file or with the store of the cluster at the address.
func (a *app) withTarget(ctx context.Context, opts store.Options, fn func(target) error) error {
	if a.addr == "" || a.file != "" {
		return a.withStore(ctx, opts, func(s *store.Store) error { return fn(s) })
	}
	r, err := newRemote(a.addr)
	if err != nil {
		return err
	}
	node, err := a.node()
	if err != nil {
		return err
	}
	return fn(&nodeTarget{remote: r, node: node, ctx: ctx})
}

// LastIndex returns the index of the last write.
func (t *nodeTarget) LastIndex() uint64 { return t.last }

// Apply applies a batch of upserts. Such a batch may be applied twice, so it is tried again also if the outcome of a try
// is unknown. The first argument is ignored: an interrupted import ends between two tries.
func (t *nodeTarget) Apply(_ context.Context, b *store.Batch) (store.Applied, error) {
	until, pause := time.Now().Add(retryTime), firstPause
	for {
		a, err := t.node.Apply(t.ctx, b)
		switch {
		case err == nil:
			t.last = max(t.last, a.Index)
			return a, nil
		case !mayRetry(err) || t.ctx.Err() != nil:
			return a, err
		case time.Now().After(until):
			return a, fmt.Errorf("tried for %v: %w", retryTime, err)
		}
		if !sleep(t.ctx, pause) {
			return a, errors.Join(t.ctx.Err(), err)
		}
		pause = min(2*pause, lastPause)
	}
}

// mayRetry reports whether another try may succeed.
func mayRetry(err error) bool {
	p, _ := errors.AsType[*rafthttp.Problem](err)
	return errors.Is(err, raftstore.ErrNotLeader) || errors.Is(err, raftstore.ErrOutcomeUnknown) || p != nil && p.Kind == rafthttp.KindUnavailable
}
