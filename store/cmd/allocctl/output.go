package main

import "io"

// An output is the standard output. It remembers the first error of a write: tables, help and completion
// do not return theirs.
type output struct {
	to  io.Writer
	err error
}

// Write writes p. After an error it writes nothing more, and returns that error.
func (o *output) Write(p []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	n, o.err = o.to.Write(p)
	return n, o.err
}

// Unwrap returns the writer that the output writes to.
func (o *output) Unwrap() io.Writer { return o.to }

// failure returns the error of a command that ended with err: its own, or else that of the output.
func (o *output) failure(err error) error {
	if err == nil {
		return o.err
	}
	return err
}
