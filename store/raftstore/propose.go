package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/raft-wal/segment"

	"allocstore/store"
)

// maxEntryBytes bounds an entry. The log would write a larger one, and could not read it. Some room is for the log's own
// fields.
const maxEntryBytes = segment.MaxEntrySize - 4096

// Apply applies a batch on all nodes: on the leader it is proposed to raft, on any other node it is forwarded to the
// leader. When Apply returns without an error, a majority of the nodes has the batch on the disk, and the
// store of this node shows it. It blocks until then.
//
// Errors that are due to the batch are those of store.Apply, on every node alike: *store.ConflictError,
// ErrInvalid, ErrInvalidID, ErrNoJob, ErrTooLarge, also for a batch above 64 MiB as bytes. Nothing was changed. Others:
//
//   - ErrNotLeader: there is no leader, or it cannot be reached, or Config.Forward is nil; or ctx's error before
//     the batch was proposed. Nothing has happened.
//   - ErrOutcomeUnknown: see there.
//   - ErrHalted, store.ErrClosed.
//   - ctx's error, if this node does not show the batch in time: it is applied, and the Applied is valid.
//
// The caller must not use the batch until Apply returns.
func (n *Node) Apply(ctx context.Context, b *store.Batch) (store.Applied, error) {
	if err := errors.Join(ctx.Err(), n.available()); err != nil {
		return store.Applied{}, err
	}
	if b == nil {
		return store.Applied{}, fmt.Errorf("%w: a nil batch", store.ErrInvalid)
	}
	data, err := b.MarshalBinary()
	if err != nil {
		return store.Applied{}, err
	}
	o, err := n.proposeAnywhere(ctx, &entry{limits: n.limits, batch: data})
	if err != nil {
		return store.Applied{}, err
	}
	if err := n.show(ctx, o.index); err != nil && o.result.Err == nil {
		return o.result.Applied, fmt.Errorf("the batch is applied at index %d, which this node does not show yet: %w", o.index, err)
	}
	return o.result.Applied, o.result.Err
}

// show waits until the store of this node shows the entry at an index.
func (n *Node) show(ctx context.Context, index uint64) error {
	ctx, cancel := n.whileUp(ctx)
	defer cancel()
	err := n.store.WaitApplied(ctx, index)
	if err != nil {
		if down := n.available(); down != nil {
			return down
		}
	}
	return err
}

// whileUp returns a context that also ends when the node halts or is closed.
func (n *Node) whileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(n.up, cancel)
	return ctx, func() { stop(); cancel() }
}

// proposeAnywhere proposes an entry here, or to the leader.
func (n *Node) proposeAnywhere(ctx context.Context, e *entry) (outcome, error) {
	if n.raft.State() == raft.Leader {
		o, err := n.propose(ctx, e)
		if !errors.Is(err, ErrNotLeader) {
			return o, err
		}
	}
	answer, err := n.forward(ctx, requestPropose, e.encode())
	if err != nil {
		return outcome{}, err
	}
	return decodeAnswer(answer)
}

// propose proposes an entry as the leader, and waits until it is applied.
func (n *Node) propose(ctx context.Context, e *entry) (outcome, error) {
	e.limits.Floor = n.fsm.floor.next(n.store.AppliedIndex(), retention(n.config.Store))
	var timeout time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 1)
	}
	data := e.encode()
	if len(data) > maxEntryBytes {
		return outcome{}, fmt.Errorf("%w: an entry of %d bytes; the log takes up to %d", store.ErrTooLarge, len(data), maxEntryBytes)
	}
	proposed := make(chan raft.ApplyFuture, 1)
	go func() {
		f := n.raft.Apply(data, timeout)
		_ = f.Error()
		proposed <- f
	}()
	select {
	case f := <-proposed:
		if err := f.Error(); err != nil {
			return outcome{}, proposalError(err)
		}
		return outcomeOf(f.Response())
	case <-ctx.Done():
		return outcome{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	case <-n.up.Done():
		return outcome{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, n.available())
	}
}

// proposalError returns the error of an entry that raft refused or lost. Raft returns the first three before it has written
// anything.
func proposalError(err error) error {
	for _, e := range []error{raft.ErrNotLeader, raft.ErrLeadershipTransferInProgress, raft.ErrEnqueueTimeout} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrNotLeader, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// outcomeOf returns the FSM's answer to an entry.
func outcomeOf(response any) (outcome, error) {
	switch r := response.(type) {
	case outcome:
		if r.result.Skipped {
			return outcome{}, fmt.Errorf("%w: the store had applied index %d before", ErrOutcomeUnknown, r.index)
		}
		return r, nil
	case error:
		return outcome{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, r)
	}
	return outcome{}, ErrOutcomeUnknown
}
