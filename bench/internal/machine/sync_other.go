//go:build !linux

package machine

import "os"

// fdatasync makes the writes to f durable.
func fdatasync(f *os.File) error { return f.Sync() }
