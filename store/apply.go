package store

import (
	"context"
	"fmt"
)

// Applied is what became of a batch.
type Applied struct {
	// Index is the batch's own index, or the store's last one if the batch
	// changed nothing. Either way a reader that waits on it sees this batch.
	Index uint64

	// Unknown are the IDs that client's writes, events and deletions named and
	// the store did not hold, in lower case, each once, in the order of the batch.
	// These writes were skipped.
	Unknown []string

	// Unchanged is the number of writes, unknown ones aside, whose allocation the
	// batch leaves as it was committed before.
	Unchanged int
}

// Apply commits the batch at the next index, all of it or nothing. When it
// returns without an error, what it changed is on the disk and visible to every
// reader. A batch that changes nothing takes no index and wakes nobody.
//
// It blocks until the commit; batches that arrive in the meantime share the next
// one. If ctx ends while the batch is still queued, Apply returns its error and
// nothing has changed; once the commit is under way Apply waits for it, however
// ctx fares, so that its answer is always the truth.
//
// Errors, all of which change nothing: the faults of the batch's writes (see
// [Batch]), ErrNoJob, ErrTooLarge, ErrClosed. After ErrFailed the batch may be
// on the disk or not; see there.
func (s *Store) Apply(ctx context.Context, b *Batch) (Applied, error) {
	return s.apply(ctx, b, nextIndex)
}

// ApplyAt is Apply at the caller's index, which is that of a raft log, say. Gaps
// are fine. An index at or below the last one is refused with an
// *IndexRegressionError, whatever the batch.
func (s *Store) ApplyAt(ctx context.Context, index uint64, b *Batch) (Applied, error) {
	return s.apply(ctx, b, &index)
}

// nextIndex asks for whatever index is next.
var nextIndex *uint64

func (s *Store) apply(ctx context.Context, b *Batch, at *uint64) (Applied, error) {
	if b == nil {
		return Applied{}, fmt.Errorf("%w: nil batch", ErrInvalid)
	}
	r := s.requests.Get().(*request)
	defer s.requests.Put(r)
	return s.submit(ctx, r, b, at)
}

// applyNew applies the batch that fill makes, in memory that is used again.
func (s *Store) applyNew(ctx context.Context, fill func(*Batch)) (Applied, error) {
	r := s.requests.Get().(*request)
	defer s.requests.Put(r)
	defer r.own.reset()
	fill(&r.own)
	return s.submit(ctx, r, &r.own, nextIndex)
}

// submit takes b through the committer as r. When it returns, the committer is
// done with both: they were refused, withdrawn or answered.
func (s *Store) submit(ctx context.Context, r *request, b *Batch, at *uint64) (Applied, error) {
	if err := ctx.Err(); err != nil {
		return Applied{}, err
	}
	if err := b.check(&s.opts); err != nil {
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

// A request is a batch on its way through the committer.
type request struct {
	batch *Batch
	at    *uint64 // nil: the next index
	own   Batch   // what batch points to in the one-batch shorthands

	// answered receives the one answer, unless the request is withdrawn.
	answered chan answer
}

type answer struct {
	applied Applied
	err     error
}

func newRequest() any { return &request{answered: make(chan answer, 1)} }
