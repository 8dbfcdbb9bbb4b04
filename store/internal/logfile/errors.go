package logfile

import (
	"errors"

	"allocstore/store/internal/record"
)

// Errors of opening a file.
var (
	// ErrLocked: another opener holds the file or its path.
	ErrLocked = errors.New("file is locked by another opener")

	// ErrFormatVersion: the file has a format that this package does not know.
	ErrFormatVersion = record.ErrFormatVersion

	// ErrReadOnly: the file cannot be written, or was opened read-only and needs recovery.
	ErrReadOnly = errors.New("read-only")
)

var (
	// ErrClosed: the database was closed.
	ErrClosed = errors.New("store is closed")

	// ErrDetached: the file has no name any more, or its path names another file.
	ErrDetached = errors.New("the store's file was removed or replaced")

	// ErrNoSpace: the disk has no room for a transaction, of which nothing was written.
	ErrNoSpace = errors.New("the disk is full")

	// ErrOutcomeUnknown marks an error after which a crash may leave the old file or the
	// new one. The store must fail.
	ErrOutcomeUnknown = errors.New("a crash may leave the old file or the new one")
)
