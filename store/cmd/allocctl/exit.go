package main

import (
	"errors"
	"fmt"

	"allocstore/store"
)

// Exit codes; newRoot describes them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitTimedOut    = 4
	exitLocked      = 5
	exitDamaged     = 6
	exitRefused     = 7
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
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(errRefused):
		return exitRefused
	case is(errUsage), is(store.ErrInvalidID):
		return exitUsage
	case is(store.ErrNotFound):
		return exitNotFound
	case is(errTimedOut):
		return exitTimedOut
	case is(store.ErrLocked):
		return exitLocked
	case is(store.ErrCorrupt):
		return exitDamaged
	}
	return exitFailed
}
