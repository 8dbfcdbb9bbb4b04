package schema

import "fmt"

// A JSONError is a fault in a JSON text. It is an ErrMalformed.
type JSONError struct {
	// Offset is the number of bytes up to the end of the wrong value.
	Offset int64

	// Field is the path of the wrong value, such as Job.TaskGroups[0].Name; empty if the text
	// is not JSON.
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

// abbreviated returns the beginning of s, short enough to quote in a message.
func abbreviated(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
