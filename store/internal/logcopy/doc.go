/*
Package logcopy reads the log of a state from its beginning to an index, some records at a time.
A backup and the rewriting of a file copy the log by a [Copy].

The hard idea: the log is read in many short transactions, while the committer appends to it.
Between two transactions a copy holds only the key at which it goes on. It therefore keeps no page
of the file from being reused, whatever time the caller takes. The result is one content all the
same, since a record never changes and new ones come at the end. The caller keeps compaction from
removing records meanwhile, where that matters.

Invariants:

  - Each record up to the last index is given once, in the order of the keys.
  - A job is given once, before the first record that names it. A job that no record names is
    not given.
  - A record or job with damage that the state knows is given as it is. Any other damage ends the
    copy.

A copy has no lock, and one goroutine uses it at a time. The caller opens the transactions.
*/
package logcopy
