package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// None means "no index". It is never handed out.
const None uint64 = 0

// Created is the index of a store's creation. It belongs to no write.
const Created uint64 = 1

var (
	// ErrRegression says that an index was at or below the last one.
	ErrRegression = errors.New("index: not above the last index")

	// ErrExhausted says that the index would be the largest number there is, which is
	// none: it has no next one.
	ErrExhausted = errors.New("index: no index is left")

	// ErrMalformed says that a file's record of its last index cannot be one.
	ErrMalformed = errors.New("index: malformed")
)

// RegressionError is an ErrRegression with both its indexes.
type RegressionError struct {
	Index uint64 // the index that was asked for
	Last  uint64 // the last index taken, which it should have been above
}

// Error names both indexes.
func (e *RegressionError) Error() string {
	return fmt.Sprintf("%v: index %d, last %d", ErrRegression, e.Index, e.Last)
}

// Is reports that the error is an ErrRegression.
func (e *RegressionError) Is(target error) bool { return target == ErrRegression }

// Next returns the index after last, or ErrExhausted.
func Next(last uint64) (uint64, error) {
	if last >= math.MaxUint64-1 {
		return None, ErrExhausted
	}
	return last + 1, nil
}

// At returns want if it is above last, and otherwise a *RegressionError. Gaps
// are fine: a raft log has entries that are no business of the store. The largest
// number there is has none above it to go on with, and is ErrExhausted.
func At(last, want uint64) (uint64, error) {
	if want <= last {
		return None, &RegressionError{Index: want, Last: last}
	}
	if want == math.MaxUint64 {
		return None, ErrExhausted
	}
	return want, nil
}

// Index is the last published index of a store. Its zero value is not ready:
// call Publish with the index that the file holds first.
type Index struct {
	// Invariant: never decreases, and what it holds is durable.
	last atomic.Uint64
}

// Last returns the last published index, at least Created for an open store.
func (x *Index) Last() uint64 { return x.last.Load() }

// Publish makes i the last index. Only the committer calls it, in index order,
// once everything stamped i is durable and visible. An i below the last one is
// ignored.
func (x *Index) Publish(i uint64) {
	if i > x.last.Load() {
		x.last.Store(i)
	}
}

// Key is where a bucket keeps the index.
const Key = "index"

var key = []byte(Key)

// Write puts i into b, in the caller's transaction.
func Write(b *bbolt.Bucket, i uint64) error {
	return b.Put(key, binary.BigEndian.AppendUint64(nil, i))
}

// A Getter is what Read needs of a bucket: a *bbolt.Bucket has it, and so has
// whoever reads a bucket without bbolt.
type Getter interface {
	Get(key []byte) []byte
}

// Read returns the index that b holds. An error is ErrMalformed.
func Read(b Getter) (uint64, error) {
	v := b.Get(key)
	if len(v) != 8 {
		return None, fmt.Errorf("%w: %d bytes where 8 were expected", ErrMalformed, len(v))
	}
	i := binary.BigEndian.Uint64(v)
	if i < Created || i == math.MaxUint64 {
		return None, fmt.Errorf("%w: index %d", ErrMalformed, i)
	}
	return i, nil
}
