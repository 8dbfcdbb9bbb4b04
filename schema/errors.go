package schema

import "errors"

var (
	// ErrInvalidID says that a string is no allocation ID: 8-4-4-4-12 hex digits.
	ErrInvalidID = errors.New("invalid allocation ID")

	// ErrInvalid says that a value cannot be stored. The message names each fault
	// by its path.
	ErrInvalid = errors.New("invalid")

	// ErrMalformed says that bytes are not what they should encode. The message
	// names the offset.
	ErrMalformed = errors.New("malformed")
)
