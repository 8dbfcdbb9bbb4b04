package main

import (
	"errors"
	"fmt"

	"allocstore/store"
)

// Exit codes; doc.go describes them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitTimedOut    = 4
	exitLocked      = 5
	exitDamaged     = 6
	exitInterrupted = 130
)

var (
	// errUsage marks a command line whose flags and arguments parse, but do not fit together.
	errUsage = errors.New("usage")

	errTimedOut = errors.New("timed out")
)

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

// codeOf returns the exit code of an error.
func codeOf(err error) int {
	for _, c := range []struct {
		is   error
		code int
	}{
		{errUsage, exitUsage},
		{store.ErrInvalidID, exitUsage},
		{store.ErrNotFound, exitNotFound},
		{errTimedOut, exitTimedOut},
		{store.ErrLocked, exitLocked},
		{store.ErrCorrupt, exitDamaged},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return exitFailed
}
