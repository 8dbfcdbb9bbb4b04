package store

import (
	"context"
	"fmt"

	"allocstore/schema"
)

// Apply commits the batch at the next index, all of it or nothing. When it returns without
// an error, the batch is on the disk and visible to every reader. A batch that changes
// nothing takes no index and wakes no reader.
//
// It blocks until the commit; batches that arrive meanwhile share the next one. If ctx ends
// while the batch is queued, Apply returns ctx's error and nothing has changed. Once the
// commit is under way Apply waits for it even if ctx ends, so its result is always true.
//
// Apply does not empty the batch: applied again, it repeats its writes. See [Batch.Reset].
//
// Errors that change nothing: the faults of the batch's writes and conditions (see [Batch]), a
// *ConflictError for the first condition that does not hold, ErrNoJob, ErrTooLarge, ErrNoSpace,
// ErrInvalid for a nil batch or an update that would empty a placement's fields (see
// [Batch.Upsert]), ErrCorrupt for a quarantined allocation, ErrClosed, ErrReadOnly, ErrReplicated.
// After ErrFailed the batch may be on the disk or not.
func (s *Store) Apply(ctx context.Context, b *Batch) (Applied, error) {
	return s.apply(ctx, b, nil)
}

// ApplyAt is Apply at the caller's index, for example that of a raft log. Gaps are fine. An index
// at or below AppliedIndex is refused with an *IndexRegressionError, even for an empty batch, and
// even if the batch that had the index changed nothing. After any other error the index may be used
// again. ApplyEntries applies many batches in one commit.
func (s *Store) ApplyAt(ctx context.Context, index uint64, b *Batch) (Applied, error) {
	return s.apply(ctx, b, &index)
}

func (s *Store) apply(ctx context.Context, b *Batch, at *uint64) (Applied, error) {
	if b == nil {
		return Applied{}, fmt.Errorf("%w: nil batch", ErrInvalid)
	}
	r := s.requests.Get().(*request)
	defer s.requests.Put(r)
	return s.submit(ctx, r, b, at)
}

// applyNew applies the batch that fill makes, in pooled memory.
func (s *Store) applyNew(ctx context.Context, fill func(*Batch)) (Applied, error) {
	r := s.requests.Get().(*request)
	defer s.requests.Put(r)
	defer r.own.recycle()
	fill(&r.own)
	return s.submit(ctx, r, &r.own, nil)
}

// applyEach applies a batch of one kind of write.
func applyEach[T any](ctx context.Context, s *Store, add func(*Batch, T), all []T) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) {
		for _, one := range all {
			add(b, one)
		}
	})
}

// submit sends b through the committer as r. When it returns, the committer does not use
// them any more: they were refused, withdrawn or answered.
func (s *Store) submit(ctx context.Context, r *request, b *Batch, at *uint64) (Applied, error) {
	if err := ctx.Err(); err != nil {
		return Applied{}, err
	}
	if s.opts.Replicated {
		return Applied{}, ErrReplicated
	}
	limits := s.opts.limits()
	if err := b.check(&limits); err != nil {
		return Applied{}, err
	}
	r.batch, r.at = b, at
	defer func() { r.batch, r.at = nil, nil }()
	if err := s.committer.enqueue(r); err != nil {
		return Applied{}, err
	}
	a, err := s.committer.await(ctx, r)
	if err != nil {
		return Applied{}, err
	}
	return a.applied, a.err
}

// Upsert applies a batch of scheduler's writes, which REPLACE every field that the scheduler
// owns; SetDesiredStatus changes the status alone. See [Batch.Upsert] and [Store.Apply].
func (s *Store) Upsert(ctx context.Context, allocs ...*schema.Allocation) (Applied, error) {
	return applyEach(ctx, s, (*Batch).Upsert, allocs)
}

// UpdateFromClient applies a batch of client's writes, which REPLACE the status and all task
// states; SetClientStatus changes the status alone. See [Batch.UpdateFromClient] and
// [Store.Apply].
func (s *Store) UpdateFromClient(ctx context.Context, allocs ...*schema.Allocation) (Applied, error) {
	return applyEach(ctx, s, (*Batch).UpdateFromClient, allocs)
}

// AppendTaskEvent applies a batch of one event. See [Batch.AppendTaskEvent] and
// [Store.Apply].
func (s *Store) AppendTaskEvent(ctx context.Context, allocID, task, state string, ev schema.TaskEvent) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) { b.AppendTaskEvent(allocID, task, state, ev) })
}

// SetClientStatus applies a batch of one write of a client's status. See
// [Batch.SetClientStatus] and [Store.Apply].
func (s *Store) SetClientStatus(ctx context.Context, id, status, description string) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) { b.SetClientStatus(id, status, description) })
}

// SetDesiredStatus applies a batch of one write of a desired status. See
// [Batch.SetDesiredStatus] and [Store.Apply].
func (s *Store) SetDesiredStatus(ctx context.Context, id, status, description string) (Applied, error) {
	return s.applyNew(ctx, func(b *Batch) { b.SetDesiredStatus(id, status, description) })
}

// Delete applies a batch of deletions. See [Batch.Delete] and [Store.Apply].
func (s *Store) Delete(ctx context.Context, ids ...string) (Applied, error) {
	return applyEach(ctx, s, (*Batch).Delete, ids)
}
