//go:build !linux

package main

import "os"

// fdatasync makes the writes to f durable.
func fdatasync(f *os.File) error { return f.Sync() }
