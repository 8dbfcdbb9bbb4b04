/*
Package index is the raft-style index of a store: a uint64 that grows with every committed
batch. Readers name an index to say how much they have seen.

[None], 0, means "no index". [Created], 1, belongs to the creation of the store and to no
write, so a reader can always be told an index of at least 1, and wait on it without missing a
write. Every write has an index larger than all before it, also across restarts and crashes.

# Chosen and published

[Next] and [At] choose the index of a batch that is to be committed; only the committer knows
it yet. [Index.Publish] makes it the last index, once the batch is durable and visible. A group
commit chooses several indexes before it publishes them. So [Index.Last] is always an index
that is on the disk.

# Invariants

  - The index is stored in the transaction of the batch, so a crash cannot separate them.
  - [Parse] refuses an index that is missing, 0 or of the wrong length. Such a file is corrupt,
    not empty.
  - Last may be called from any goroutine, and costs one atomic load. Publish is for the
    committer alone.
*/
package index
