/*
Package record defines the content of a store's file: records under keys, jobs under
hashes, and the sum of both.

A [Record] is one version of one allocation: its [Flags] say whether it has the scheduler's
part, the client's part, or is the tombstone of a deletion. It is stored under its [Key], which
is the index of the batch and a position, so the log grows at its right edge only. A record
holds the part that changed, and names the version that it replaces as a [Pair] of keys: one
for the scheduler's part and one for the client's. Following these pairs leads back to every
older version. A job is stored once, under the [JobHash] of its content.

The hard idea is that damage is detected and located. A record has two checksums: one of
everything, and one of its header. If only the first is wrong, the header still says
which allocation is affected, and the rest of the file can be served. Checksums cannot
find content that is missing or out of date. The [ContentSum] does: it has one number
for each record and job, and every transaction stores it anew.

A [Visible] is an allocation without its history, for the digest by which replicas compare their
content. The checksums of records would not do: they cover Prev, which depends on compaction.

Invariants:

  - Keys ascend in the order of the writes; key 0.0 is no record.
  - A record's checksum covers its key.
  - A record's Prev is the Pair of the version that was the newest when it was written.
  - [Parse] accepts any bytes and never panics. A record that it accepts encodes
    to the same bytes, apart from header fields that a later format may add.

The result of Parse aliases its argument. Nothing here blocks or keeps state.
*/
package record
