/*
Package store is an embedded, durable store for a scheduler's allocations: read
like a map, written through one raft-style index, waited on by ID.

# What it is

A [Store] lives in the scheduler's process and keeps everything in one file. The
scheduler places allocations ([Store.Upsert]) and the clients report on them
([Store.UpdateFromClient], [Store.AppendTaskEvent]); both write to the same
allocation, and who owns which field is the store's business; see package schema.
Several writes that belong together are a [Batch]. Readers look allocations up by
ID ([Store.Get]), by node, job, evaluation or ID prefix ([Store.ByNode] and the
like), all at one index ([Store.Snapshot]); they wait for one to change
([Store.Wait]); or follow everything that changes ([Store.Changes]).

Every batch that changes something has an index: larger than all before it, across
restarts. It is on the allocations that the batch changed, in every answer, and
what a reader gives back to say what it has seen.

# Consistency

A batch is applied as a whole or not at all, in one order for everybody, which is
that of the indexes. What Apply has answered, every later read sees. A [Snapshot]
shows all batches up to its index and none above. Reads one by one, without a
snapshot, may fall between two batches. A lookup may show a batch a moment before
LastIndex, and with it a snapshot, does: it is on the disk by then.

A wait returns when its allocation changes at an index above the one it was given,
and for no other reason but time, a restore, compaction, closing or failure. What
it returns may be given to the next wait: nothing is missed in between. See
package watch for the argument.

Whether a write changes anything is decided by content. One that does not takes no
index and wakes nobody.

# Durability

When Apply returns without an error the batch is on the disk: it was written and
synced, together with its index, before anybody could see it. A crash at any time
leaves a file that opens at an index that was reached, with every answered batch; a
commit that it cut off is taken back by the next Open for writing (design/0009).
A new file and its name are synced before Open returns.

After a commit that went wrong, nobody knows what the disk holds. The store is then
failed ([ErrFailed]): it takes no writes and lets nobody wait, reads what was
published, and recovers by being opened again.

A damaged file is [ErrCorrupt] when it is opened. Open reads all of it by plain
reads, before it is mapped, and verifies the structure of the pages, the checksums
of records and jobs, and the sum of all content, which every commit writes. The sum
finds a page that is right in itself but out of date, because the disk has lost a
write that it had confirmed. If only the content of some records or jobs is damaged,
and it is known which allocations they belong to, the store opens and serves
everything else; see [ErrCorrupt]. A disk that has lost the latest commits whole,
with their sum, shows the store as it was before them, and nothing can tell.
[Store.Check] verifies the same of an open store, and what is in memory.

[Store.Backup] writes the store as it is at one index, while writes go on.
[Store.Restore] verifies a whole backup first, and then exchanges the content at one
moment, under a new index; a crash leaves the old content or the new.

Two writers cannot have the store open at once: the file is locked, and so is its
name, by a file beside it. [Options].ReadOnly opens it without writing a byte.

# Guarantees

Each with the test that would fail without it; README has all of them.

  - What Apply has answered survives a power cut at any moment, and a crash of the
    process (TestPowerCuts and TestFailAtEveryStep of internal/powercut; TestHistory
    of internal/histories).
  - A commit that went wrong fails the store, and opening it again recovers
    (TestFirstCommitErrorFailsTheStore, TestFailAtEveryStep).
  - A file that is damaged is refused, or serves nothing but what was written
    (TestDamagedFiles, TestPagesOutOfDate, TestQuarantine).
  - A backup is the store at its index, and Restore brings all of it or nothing
    (TestBackupBesideWrites, TestRestore*, TestPowerCuts).
  - Two writers cannot have the store open at once (TestLockSurvivesARename).

# Assumptions

A disk keeps what was synced. Of what was written since, any sectors of 512 bytes may
be there or not, each as a whole. A file system keeps names and sizes that were
synced, and a rename happens as a whole. Locks are honored, so it is a local file
system, used by one machine. internal/powercut makes each of these come true at its
worst.

# What is not protected

A disk that loses the latest commits whole, or any of the last one that a crash
followed, and says nothing (the store is then as it was before them); somebody who
writes to the file on purpose, since checksums are no signatures; somebody who
changes what was handed out, but see Options.DetectMutation; the memory of the
process.

# Concurrency

All methods of Store may be called from any goroutine. There are two goroutines of
the store's own, which Close ends: the committer, and the sweeper, which looks for
what compaction may remove. While the committer is busy with one group of batches
the next ones queue, so that many writers share a sync. Readers never wait for
writers: Get of what is in memory takes no lock, lists take a read lock for one page
of IDs, and no reader keeps a transaction of the file open between two of its steps.

# Caveats

What Get, lists, waits, snapshots and feeds return is shared by all who read it and
must not be changed. Clone it to change it. Tests set Options.DetectMutation, which
tells who did not.

Whatever has been read stays decoded in memory, unless Options.ResidentBytes bounds
that. A write is decoded by whoever reads it first.

When superseded records outweigh the others, compaction removes them, but for the
latest Options.FeedRetention changes. Their pages are used again; only
[Store.Compact] makes the file shorter. An open snapshot or feed keeps compaction
from what it still needs: close it.
*/
package store
