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
leaves a file that opens at an index that was reached, with every answered batch.
A new file and its name are synced before Open returns.

After a commit that went wrong, nobody knows what the disk holds. The store is then
failed ([ErrFailed]): it takes no writes and lets nobody wait, reads what was
published, and recovers by being opened again.

A damaged file is [ErrCorrupt] when it is opened: Open reads all of it by plain
reads, before it is mapped, and verifies the structure of the pages, the checksums
of the records and jobs, and the sum of all content, which every commit writes: a page
that is right in itself and out of date, since the disk has lost a write that it had
confirmed, does not go with it. If only what some records or jobs say is damaged, and not
whose they are, the store opens and serves everything else ([ErrCorrupt]). A disk that has lost the latest commits whole, with
their sum, shows the store as it was before them, and nothing tells. [Store.Check]
does the same for an open store, and compares what is in memory.

[Store.Backup] writes the store as it is at one index, while writes go on.
[Store.Restore] verifies a backup whole, and then exchanges the content at one moment,
for a new index; a crash leaves the one or the other.

Two writers cannot have the store open at once: the file is locked, and so is its name,
by a file beside it. [Options].ReadOnly opens it without writing a byte.

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

A disk that keeps what was synced, in sectors of 512 bytes that are written whole or not, of
whichever were written since; a file system that does not lose a file's name or size
that was synced, and renames whole; locks that are honored, and so a local file
system, on one machine. internal/powercut makes every one of these come true at its worst.

# What is not protected

A disk that loses the latest commits whole and says nothing (the store is then as it
was before them); somebody who writes to the file on purpose, since checksums are no
signatures; somebody who changes what was handed out, but see Options.DetectMutation;
the memory of the process.

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

Whatever has been read stays decoded in memory, as long as Options.ResidentBytes
says nothing else. A write is decoded by whoever reads it first.

When superseded records outweigh what is needed, compaction removes them, down to
the latest Options.FeedRetention changes. Their pages are used again; the file
becomes shorter by [Store.Compact] alone. Snapshots and feeds hold compaction up;
close them.
*/
package store
