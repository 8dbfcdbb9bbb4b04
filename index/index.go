package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

// None means "no index". It is never handed out.
const None uint64 = 0

// Created is the index of a store's creation. It belongs to no write.
const Created uint64 = 1

var (
	// ErrRegression: the index is at or below the last one.
	ErrRegression = errors.New("index not above the last")

	// ErrFuture: the index is above the last one.
	ErrFuture = errors.New("index above the last one")

	// ErrExhausted: the index would be the largest uint64, which is no index because it has
	// no next one.
	ErrExhausted = errors.New("no index is left")

	// ErrMalformed: the last index in a file is missing or invalid.
	ErrMalformed = errors.New("malformed index")
)

// RegressionError is an ErrRegression with both its indexes.
type RegressionError struct {
	Index uint64 // the requested index
	Last  uint64 // the index that it must be above
}

// Error names both indexes.
func (e *RegressionError) Error() string {
	return fmt.Sprintf("index %d: not above %d", e.Index, e.Last)
}

// Is reports that the error is an ErrRegression.
func (e *RegressionError) Is(target error) bool { return target == ErrRegression }

// FutureError is an ErrFuture with both its indexes.
type FutureError struct {
	Index uint64 // the requested index
	Last  uint64 // the last index
}

// Error names both indexes.
func (e *FutureError) Error() string {
	return fmt.Sprintf("index %d is above the last index, %d", e.Index, e.Last)
}

// Is reports that the error is an ErrFuture.
func (e *FutureError) Is(target error) bool { return target == ErrFuture }

// Next returns the index after last, or ErrExhausted.
func Next(last uint64) (uint64, error) {
	if last >= math.MaxUint64-1 {
		return None, fmt.Errorf("after index %d: %w", last, ErrExhausted)
	}
	return last + 1, nil
}

// At returns want if it is above last, and otherwise a *RegressionError. Gaps are valid, because
// a raft log has entries that do not concern the store. The largest uint64 gives ErrExhausted.
func At(last, want uint64) (uint64, error) {
	if want <= last {
		return None, &RegressionError{Index: want, Last: last}
	}
	if want == math.MaxUint64 {
		return None, fmt.Errorf("index %d: %w", want, ErrExhausted)
	}
	return want, nil
}

// Index is the last published index of a store. A new Index needs a call of Publish with the
// file's index.
type Index struct {
	// Invariant: last never decreases, and is durable.
	last atomic.Uint64

	// Invariant: it is raised before any content at an index above last is visible.
	committed atomic.Uint64
}

// Last returns the last published index, at least Created for an open store.
func (x *Index) Last() uint64 { return x.last.Load() }

// Committed returns the index of the last commit. While its batches are being published, readers
// may see content up to it, which is above Last.
func (x *Index) Committed() uint64 { return max(x.committed.Load(), x.last.Load()) }

// Commit says that everything up to i is durable and about to be published. Only the committer
// calls it.
func (x *Index) Commit(i uint64) { x.committed.Store(i) }

// Publish makes i the last index. Only the committer calls it, in index order, once the batch
// at i is durable and visible. It ignores an i below the last index.
func (x *Index) Publish(i uint64) {
	if i > x.last.Load() {
		x.last.Store(i)
	}
}

// Append appends i to dst as a file has it: 8 bytes, big endian.
func Append(dst []byte, i uint64) []byte { return binary.BigEndian.AppendUint64(dst, i) }

// Parse returns the index in the bytes that Append wrote. An error is ErrMalformed.
func Parse(b []byte) (uint64, error) {
	if len(b) != 8 {
		return None, fmt.Errorf("%w: %d bytes, want 8", ErrMalformed, len(b))
	}
	i := binary.BigEndian.Uint64(b)
	if i < Created || i == math.MaxUint64 {
		return None, fmt.Errorf("%w: %d", ErrMalformed, i)
	}
	return i, nil
}
