package store

// An error's text says what was done, to what, and why it failed: "open state.db: corrupt: page 3
// ...". It has no prefix of this package: programs that print it add their own.

import (
	"errors"
	"fmt"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/mutation"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
)

// Errors of Open.
var (
	// ErrLocked: another opener, in this process or another, holds the file and did not
	// release it within Options.LockTimeout. On Linux the message has its process ID, if that
	// is known.
	ErrLocked = logfile.ErrLocked

	// ErrCorrupt: the content of the file is damaged or foreign; reads and writes return it too.
	// The file may be torn, or have a record with a wrong checksum. The message names the file and
	// the place.
	//
	// Damage that is limited to known allocations does not keep the file from opening. If
	// only the content of a record or a job is damaged, the allocations that need it are
	// quarantined: reading or writing one is ErrCorrupt, and deleting it is the cure.
	// Options.Logger, Stats and Check report them. All other allocations are served.
	ErrCorrupt = record.ErrCorrupt

	// ErrFormatVersion: the file, the backup or the bytes of the batch have a format that this version
	// of the package does not know. The message names both versions.
	ErrFormatVersion = logfile.ErrFormatVersion

	// ErrReadOnly: the store was opened with Options.ReadOnly and would have to write; or the
	// file cannot be written.
	ErrReadOnly = logfile.ErrReadOnly
)

// Errors of a lookup or a write. None of them changes anything.
var (
	// ErrNotFound: no allocation has this ID. It was never placed, or it was deleted.
	ErrNotFound = errors.New("allocation not found")

	// ErrInvalidID: the string is not an allocation ID of 8-4-4-4-12 hex digits.
	ErrInvalidID = schema.ErrInvalidID

	// ErrInvalid: an allocation, a task event or an argument cannot be stored. The message
	// names every fault.
	ErrInvalid = schema.ErrInvalid

	// ErrNoJob: an allocation without a Job cannot be inserted. The whole batch is refused.
	ErrNoJob = plan.ErrNoJob

	// ErrTooLarge: a write is above Options.MaxAllocationBytes, or a batch is above
	// Options.MaxBatchBytes.
	ErrTooLarge = record.ErrTooLarge

	// ErrNoSpace: the disk, or the user's quota of it, has no room for the write. The store goes on:
	// deletions have a reserve, and compaction keeps nothing for FeedRetention until a write
	// succeeds again. A deletion is refused only if its reserve is used up too, as by hundreds of
	// deletions beside one read of the file, which keeps their pages: send it again. From Compact
	// and Restore: there is no room for the new file.
	ErrNoSpace = logfile.ErrNoSpace

	// ErrConflict: a condition of the batch did not hold at its turn; see Batch.Expect and
	// Batch.ExpectList. The error is a *ConflictError.
	ErrConflict = errors.New("conflict")

	// ErrIndexRegression: the index given to ApplyAt is at or below AppliedIndex. The error
	// is an *IndexRegressionError with both indexes.
	ErrIndexRegression = index.ErrRegression

	// ErrReplicated: the store was opened with Options.Replicated, and is written by ApplyEntries
	// alone.
	ErrReplicated = errors.New("the store is a replica, which is written by its log alone")

	// ErrFutureIndex: a reader of Changes or Follow named an index above the last one, so it has
	// read another store, or this one before an older file took its place. The error is a
	// *FutureIndexError with both indexes.
	ErrFutureIndex = index.ErrFuture
)

// Errors of a store's life.
var (
	// ErrClosed: the store, or the snapshot, is closed.
	ErrClosed = logfile.ErrClosed

	// ErrFailed: a commit went wrong, and it is unknown whether the disk holds it; or the file,
	// which is mapped, could not be read: it was cut short or the disk fails. The store takes no
	// more writes and ends all waits. Published content can still be read if it is in memory,
	// and from the file unless that was the cause: such reads are ErrCorrupt from then on.
	// Opening the file again determines what it holds.
	ErrFailed = errors.New("store has failed: reopen it to recover")

	// ErrDetached: the store's file was removed, or another file was put in its place, so
	// writes to it would be lost. The store takes no more writes and ends all waits. All
	// reads go on, and Backup saves the content. Renaming the file does not detach it.
	ErrDetached = logfile.ErrDetached

	// ErrMutated: the caller changed an allocation that the store handed out, which is
	// shared and read-only. Only a store with Options.DetectMutation notices.
	ErrMutated = mutation.ErrMutated

	// ErrCompacted: a reader of Changes or Follow asked for changes that compaction has removed.
	// A reader of Changes starts over from a Snapshot, one of Follow after 0. ErrRestored is also
	// ErrCompacted.
	ErrCompacted = errors.New("changes have been compacted")

	// ErrRestored: the store was restored after the snapshot, the feed or the backup began.
	// A reader of Changes or Follow starts over as after ErrCompacted.
	ErrRestored = fmt.Errorf("%w: the store was restored", ErrCompacted)
)

// IndexRegressionError is an ErrIndexRegression with the index that was given and the last
// one.
type IndexRegressionError = index.RegressionError

// FutureIndexError is an ErrFutureIndex with the index that was given and the last one.
type FutureIndexError = index.FutureError

// ConflictError is an ErrConflict with the allocation or the list that has changed, and both
// indexes.
type ConflictError struct {
	// ID is the allocation of an Expect, in lower case, or "" for an ExpectList. List is the list of
	// an ExpectList, or the zero Selector for an Expect.
	ID   string
	List Selector

	// Expected is the index that was given, and Actual the one found: the ModifyIndex of the
	// allocation, 0 if it does not exist, or the index of the list.
	Expected, Actual uint64
}

// Error names the allocation or the list, and both indexes.
func (e *ConflictError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("%v: list of %v: it changed at index %d, after %d", ErrConflict, e.List, e.Actual, e.Expected)
	}
	if e.Actual == 0 {
		return fmt.Sprintf("%v: allocation %s: expected at index %d, does not exist", ErrConflict, e.ID, e.Expected)
	}
	if e.Expected == 0 {
		return fmt.Sprintf("%v: allocation %s: expected not to exist, is at index %d", ErrConflict, e.ID, e.Actual)
	}
	return fmt.Sprintf("%v: allocation %s: expected at index %d, is at %d", ErrConflict, e.ID, e.Expected, e.Actual)
}

// Unwrap returns ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

func notFound(id schema.ID) error { return fmt.Errorf("%w: %v", ErrNotFound, id) }
