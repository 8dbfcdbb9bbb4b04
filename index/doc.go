/*
Package index is the raft-style index of a store: one number that every
committed batch moves, and that readers name to say what they have seen.

# What it is

An index is a uint64. [None], 0, means "no index" and is never handed out.
[Created], 1, belongs to the creation of the store and to no write, so that a
reader can always be told 1 or more and wait on it without missing anything.
Every write after that has an index larger than all before it, across restarts
and crashes.

# Consistency

An index has two lives. [Next] and [At] choose the index of a batch that is on
its way to the disk; nobody but the one committer sees it. [Index.Publish] makes
it the last one, after the batch is durable and visible. Between the two the
committer may have chosen several (a group of batches goes to the disk at once);
what [Index.Last] returns is always on the disk already.

# Durability

[Write] stores the index in the transaction of the data that it stamps, so the
two cannot part in a crash. [Read] refuses a file whose index is missing, 0 or of
the wrong length, as corruption and not as an empty store.

# Concurrency

Last may be called from any goroutine at any time and costs one atomic load.
Publish is the committer's alone.
*/
package index
