package record

import (
	"errors"
	"fmt"

	"allocstore/store/internal/corrupt"
)

// ErrCorrupt marks every error about damaged or foreign content. All layers above react to
// this one error.
var ErrCorrupt = corrupt.Err

// Errors about content that is not damaged.
var (
	// ErrFormatVersion: a file, a backup or a batch has a format that this version does not know.
	ErrFormatVersion = errors.New("unknown format version")

	// ErrTooLarge: a record is above a limit of the store.
	ErrTooLarge = errors.New("too large")
)

// Errors of Parse. CorruptAt adds ErrCorrupt and the place.
var (
	ErrShort    = errors.New("cut short")
	ErrChecksum = errors.New("wrong checksum")
	ErrShape    = errors.New("no record")

	// ErrDamaged says that the header is right and the parts are not.
	ErrDamaged = errors.New("damaged: wrong checksum")
)

// CorruptAt returns an ErrCorrupt about the record at k.
func CorruptAt(k Key, format string, args ...any) error {
	return fmt.Errorf("%w: record %v: %s", ErrCorrupt, k, fmt.Sprintf(format, args...))
}
