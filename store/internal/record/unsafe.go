package record

import "unsafe"

// UnsafeString returns b as a string without copying it. The string is valid only as
// long as b is neither changed nor unmapped: for bytes of the file, until their
// transaction ends.
func UnsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// UnsafeBytes returns the bytes of s without copying them. They must not be changed.
func UnsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
