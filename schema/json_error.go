package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A JSONError is a fault in a JSON text. It is an ErrMalformed.
type JSONError struct {
	// Offset is the number of bytes read up to the end of the wrong value; 0 for a wrong
	// time or Config value, which Field alone tells.
	Offset int64

	// Field is the path of the wrong value; empty if the text is not JSON. For a value of
	// the wrong type, the path is without list indexes and map keys.
	Field string

	// Err tells the fault.
	Err error
}

// Error names the offset and the field, as far as they are known.
func (e *JSONError) Error() string {
	text := ErrMalformed.Error() + " JSON"
	if e.Offset != 0 {
		text += fmt.Sprintf(" at offset %d", e.Offset)
	}
	if e.Field != "" {
		text += ": " + e.Field
	}
	return fmt.Sprintf("%s: %v", text, e.Err)
}

// Is reports that the error is an ErrMalformed.
func (e *JSONError) Is(target error) bool { return target == ErrMalformed }

// Unwrap returns e.Err.
func (e *JSONError) Unwrap() error { return e.Err }

// typeError returns the error of a well-formed text whose decoding failed with err.
func typeError(shifts []shift, err error) error {
	wrong := (*json.UnmarshalTypeError)(nil)
	if !errors.As(err, &wrong) {
		return &JSONError{Err: err}
	}
	return &JSONError{
		Offset: original(shifts, wrong.Offset),
		Field:  strings.TrimPrefix(wrong.Field, "plainAllocation."),
		Err:    fmt.Errorf("found %s, want %s", abbreviated(wrong.Value), jsonType(wrong.Type.String())),
	}
}

// jsonType names the JSON values that a Go type accepts.
func jsonType(goType string) string {
	switch goType {
	case "int", "int64", "time.Duration":
		return "an integer of 64 bits"
	case "uint64":
		return "an integer of 64 bits that is not negative"
	case "float64":
		return "a number of a float64's range"
	case "string", "bool":
		return "a " + goType
	}
	if strings.HasPrefix(goType, "[]") {
		return "an array"
	}
	return "an object"
}

// abbreviated returns the beginning of s, short enough to quote in a message.
func abbreviated(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
