package store

import (
	"errors"
	"fmt"

	"allocstore/index"
	"allocstore/schema"
)

// Errors of Open.
var (
	// ErrLocked says that another opener, in this process or another, holds the
	// file and did not let go within Options.LockTimeout.
	ErrLocked = errors.New("allocstore: file is locked by another opener")

	// ErrCorrupt says that the file is not, or no longer, what this package
	// wrote: a foreign file, a torn one, a record whose checksum is wrong. The
	// message names the file and the place.
	//
	// Open does not refuse the file if only the content of some records or jobs is
	// wrong, and it is known which allocations they belong to. Those are quarantined:
	// reading or writing one is ErrCorrupt, deleting it is the cure. Options.Logger,
	// Stats and Check tell of them, and everything else is served.
	ErrCorrupt = errors.New("allocstore: corrupt")

	// ErrFormatVersion says that the file was written in a format that this
	// version of the package does not know. The message names both versions.
	ErrFormatVersion = errors.New("allocstore: unknown format version")

	// ErrReadOnly says that the file, its directory or its file system cannot be
	// written, or is not to be and has a last commit that was cut off.
	ErrReadOnly = errors.New("allocstore: read-only")
)

// Errors of a lookup or a write. None of them changes anything.
var (
	// ErrNotFound says that no allocation has this ID: it was never placed, or
	// it was deleted.
	ErrNotFound = errors.New("allocstore: allocation not found")

	// ErrInvalidID says that a string is no allocation ID: 8-4-4-4-12 hex digits.
	ErrInvalidID = schema.ErrInvalidID

	// ErrInvalid says that an allocation, a task event or an argument cannot be
	// stored; the message names every fault.
	ErrInvalid = schema.ErrInvalid

	// ErrNoJob says that an allocation was to be inserted without a Job. The
	// whole batch is refused.
	ErrNoJob = errors.New("allocstore: insert without a job")

	// ErrTooLarge says that a write is above Options.MaxAllocationBytes or a
	// batch above Options.MaxBatchBytes.
	ErrTooLarge = errors.New("allocstore: too large")

	// ErrIndexRegression says that ApplyAt was given an index at or below the
	// last one. The error is an *IndexRegressionError, which carries both.
	ErrIndexRegression = index.ErrRegression
)

// Errors of a store's life.
var (
	// ErrClosed says that the store, or the snapshot, is closed.
	ErrClosed = errors.New("allocstore: closed")

	// ErrFailed says that a commit went wrong in a way that leaves its outcome
	// unknown: it may be on the disk or not. From then on the store takes no
	// writes and lets nobody wait; what was published can still be read.
	// Opening the file again finds out what it holds.
	ErrFailed = errors.New("allocstore: failed, reopen to recover")

	// ErrMutated says that somebody has changed an allocation that the store handed
	// out, which is shared and read-only. Only a store with Options.DetectMutation
	// notices.
	ErrMutated = errors.New("allocstore: an allocation that was handed out has been changed")

	// ErrCompacted says that a reader of Changes asked for changes that compaction has
	// removed, or that a snapshot, a feed or a backup was open when the store was
	// restored. It starts over from a Snapshot.
	ErrCompacted = errors.New("allocstore: changes have been compacted")
)

// IndexRegressionError is an ErrIndexRegression with the index that was asked
// for and the last one.
type IndexRegressionError = index.RegressionError

// corruptAt is an ErrCorrupt about the record at k.
func corruptAt(k key, format string, args ...any) error {
	return fmt.Errorf("%w: record %v: %s", ErrCorrupt, k, fmt.Sprintf(format, args...))
}
