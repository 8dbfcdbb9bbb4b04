package schema

import "errors"

var (
	// ErrInvalidID: the string is not an allocation ID, which is 8-4-4-4-12 hex digits.
	ErrInvalidID = errors.New("invalid allocation ID")

	// ErrInvalid: the value cannot be stored. The message names the path of each fault.
	ErrInvalid = errors.New("invalid")

	// ErrMalformed: the bytes cannot be decoded. The message names the offset or the field.
	ErrMalformed = errors.New("malformed")
)
