package logfile

import (
	"fmt"
	"runtime/debug"

	"allocstore/store/internal/record"
)

// catchFaults turns a fault of the mapped memory into a panic of this goroutine, and
// returns the setting from before, for contain.
func catchFaults() (was bool) { return debug.SetPanicOnFault(true) }

// contain turns a panic of bbolt into an ErrCorrupt. On a damaged page bbolt indexes out
// of range, follows page numbers out of the mapping, and panics on purpose. Use it as
//
//	defer contain(path, catchFaults(), &err)
func contain(path string, was bool, err *error) {
	debug.SetPanicOnFault(was)
	if p := recover(); p != nil {
		*err = panicError(path, p)
	}
}

// panicError returns the error for a panic in the file at path.
func panicError(path string, p any) error {
	if _, fault := p.(interface{ Addr() uintptr }); fault {
		p = "a page cannot be read: the file was cut short while it was open, or the disk fails"
	}
	return fmt.Errorf("%w: %s: %v", record.ErrCorrupt, path, p)
}
