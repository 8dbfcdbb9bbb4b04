package machine

import (
	"os"
	"syscall"
)

// fdatasync makes the writes to f durable.
func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
