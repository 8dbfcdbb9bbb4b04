/*
Package segmentsize has the size of the files of a node's log in tests of other modules.

A file of the log goes when all its entries are cut, and a new one begins when one is full. With the usual size of 64 MiB a
test would have to write that much to see either. Package raftstore has no option for it, since users need none. A test
calls Set once, before it opens a node. Programs never do.
*/
package segmentsize

import "sync/atomic"

var bytes atomic.Int64

// Set sets the size of files that begin from now on, in bytes; 0 means the usual one.
func Set(n int) { bytes.Store(int64(n)) }

// Get returns the size in bytes, or 0 for the usual one.
func Get() int { return int(bytes.Load()) }
