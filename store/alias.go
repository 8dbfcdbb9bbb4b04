package store

import "unsafe"

// aliasOf returns b as a string without copying it. The string is good only as
// long as b is neither changed nor unmapped: for bytes of the file, as long as
// their transaction.
func aliasOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns the bytes of s without copying them. They must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
