/*
Package store is an embedded, durable store for a scheduler's allocations: a [Store] applies
each [Batch] of writes at an index of its own, a [Snapshot] reads at one index, a [Selector] names
a list of allocations, a wait blocks until an allocation or a list changes, and a feed has every
[Change] in order.

	s, err := store.Open("state.db", nil)
	placed, err := s.Upsert(ctx, &schema.Allocation{ID: id, NodeID: "node1", Job: job})
	seen, err := s.AppendTaskEvent(ctx, id, "redis", schema.TaskStateRunning, event)
	fmt.Println("unknown allocations:", seen.Unknown)
	// unknown allocations: []
	changed, err := s.Wait(ctx, id, store.QueryOptions{MinQueryIndex: placed.Index})
	fmt.Println(changed.Outcome, "at", changed.Index, changed.Alloc.TaskStates["redis"].State)
	// Changed at 3 running

The scheduler writes by [Store.Upsert], the clients by [Store.UpdateFromClient]. Both write the
same allocation, and package schema says which fields each owns. These writes replace all that
the writer owns. [Store.SetDesiredStatus], [Store.SetClientStatus] and [Store.AppendTaskEvent]
change one thing and leave the rest. Reads are by ID ([Store.Get]), or by node, job, evaluation
and ID prefix ([Store.List] and [Store.ByNode] and the like).

A scheduler that shares nodes with others makes its batch conditional on what it has read
([Batch.ExpectList], [Batch.Expect]). An agent waits for the list of its node ([Store.WaitList]),
or follows it as a stream ([Store.Follow]).

# Consistency

A batch is applied as a whole or not at all. Every batch that changes something has an index
above all before it, also across restarts, and all readers see the batches in that order. A
write is compared by content; one that changes nothing takes no index and wakes no reader. When
Apply has answered, every later read sees the batch. A snapshot shows exactly the batches up to
its index. Get may see a batch shortly before LastIndex and Snapshot do; it is durable by then.

A log that several stores apply is written by [Store.ApplyEntries]: all of them get the same content
and the same results. [Store.AppliedIndex] counts the entries that changed nothing too, and
[Store.WaitApplied] waits for one. Options.Replicated makes a store one of several replicas. One
that is behind takes the backup of another by [Store.CatchUp], and all its readers go on.

A wait ends on a change above the given index, its timeout, a restore, Close or failure. It
ends at once if compaction may have removed a deletion of the ID, or a departure from the list. A
reader that passes the index of the result to its next wait misses nothing; package watch has the
proof.

A list has an index of its own: the newest at which a member arrived, changed or left. It never goes
back, also across restarts. The changes that compaction has forgotten count as made at its floor.

# Schedulers and agents

A scheduler reads on a [Snapshot], decides, and applies a batch with Expect and ExpectList. A snapshot
or a read that begins after a wait has returned shows at least the index of its result. To replace an
allocation exactly once, the batch has its Expect with the ModifyIndex that was read, when its
NextAllocation was empty: a PreviousAllocation sets NextAllocation, and so moves ModifyIndex. An Upsert
replaces NextAllocation like every other field, so it is made from the newest version.
Everything().NonTerminal().Placements() changes when there may be something to do.

An agent stops the allocations that have left its list before it starts those that arrived: a
scheduler may have given their room away. With NonTerminal an allocation leaves when the scheduler stops
it, though its process still runs. It reports a status by SetClientStatus, which no task event
does; with Expect it does not revive an allocation that was declared lost. After a restart it
begins with MinQueryIndex 0, or with the index whose result it has handled last, and starts only what
does not run and is still pending. An ID that was deleted and placed again has another CreateIndex.
A process that ends cancels the ctx of the wait, which loses nothing.

# Durability

When Apply returns without an error, the batch is on the disk: it was written and synced with
its index before any reader could see it. A crash at any time leaves a file that opens with
every answered batch. Open rolls an unfinished commit back (design/0009).

After a failed commit the content of the disk is unknown. The store is then failed
([ErrFailed]): it accepts no writes and no waits, serves published content, and recovers by
being opened again. A store whose file is cut short while it is open, or cannot be read, is
failed too, and serves the content in memory. One whose file is removed or replaced is detached
([ErrDetached]): its writes would be lost. [Store.Err] tells all of these; an idle store
notices within some seconds.

Open reads the whole file by plain reads before it is mapped. It verifies the structure of the
pages, the checksums of records and jobs, and the content sum, which every commit stores and
which reveals missing or stale pages. Damage limited to the content of known allocations leaves
them unreadable, and the store opens and serves all others. Any other damage is [ErrCorrupt].
[Store.Check] verifies an open store, its memory included.

[Store.Backup] writes the store at one index while writes go on, and [Store.PrepareBackup] takes
that index at once, to be written later. [Store.Restore] verifies a whole backup, and then exchanges
the content at one moment, under a new index.

Two writers cannot open one store: Open locks the file, and a lock file beside it, because
compaction and restores exchange the file.

# Assumptions

A disk keeps synced bytes; of later writes, each sector of 512 bytes is kept or lost as a
whole. A file system keeps synced names and sizes, and a rename is atomic. Locks are honored:
the file system is local, and used by one machine. Package internal/powercut tests the worst
that these allow; GUARANTEES.md has all guarantees with their tests.

Not protected: a disk that loses whole commits in silence (the store is then as before them); a
file that is changed on purpose, since checksums are no signatures; allocations that a reader
changes, which only Options.DetectMutation finds; the memory of the process.

# Concurrency

All methods of Store may be called from any goroutine. The store has two goroutines, which
Close ends: the committer writes, and the sweeper finds records that compaction may remove.
While the committer writes one group of batches the next ones queue, so many writers share a
sync. Readers never wait for writers: a lookup in memory takes no lock, a list takes a read
lock to copy a page of IDs and the departures since its snapshot, and no reader keeps a
transaction of the file open between steps.

# Caveats

Allocations that the store returns are shared by all readers and must not be changed: Clone
them. Decoded allocations stay in memory unless Options.ResidentBytes bounds them; decoded jobs,
which many allocations share, always stay.

Compaction removes superseded records when they outweigh the others, except the latest
Options.FeedRetention changes. Their pages are reused; only [Store.Compact] makes the file
shorter. An open snapshot or feed keeps compaction from removing the records it needs: close
it.

# Reading the source

A write: batch.go encodes it in the caller's goroutine, conditions.go adds its conditions, and
apply.go queues it; entries.go queues the entries of a raft log, of which internal/batchcodec has
the bytes, and applied.go says how far the log was applied. committer.go takes the queued batches as
a group and calls the steps of a commit: commit, publish, wake the waiters, answer. group_writer.go
has the first two: it plans, commits by one transaction and one sync, and publishes. Package
internal/plan works out the changes of each batch against the batches before it; its comment has the
steps.

A read: get.go, snapshot.go and list.go, whose lists selector.go names. A wait for allocations:
wait.go blocks, waiter.go and observation.go say when it ends. A wait for a list: wait_list.go. A
stream: changes.go is the feed of the store, and follow.go that of a list. All of them use core.go,
which is the struct that the parts of a store share; its comment has the order in which a batch
becomes visible.

Maintenance: sweeper.go is compaction in the background and compact.go that on demand, by package
internal/compaction. backup.go, restore.go and catch_up.go exchange a stream of frames by package
internal/backup; internal/backupstream defines the frames. check.go compares the file with the memory.

Below: internal/plan folds the writes of a batch, and knows no queue and no waiter.
internal/compaction finds dead records, removes them with the next commits and rewrites the file;
internal/logcopy reads the log in steps for it and for backups, and internal/membership finds for
follow.go the effects of its records on a list. internal/state is the content of one file in memory
and loads it, internal/lists is its lists of IDs, internal/logfile is the file and hides bbolt,
internal/record is the format of records and keys. internal/readers knows the indexes that are being
read at, and internal/mutation finds allocations that a reader changed.

# Where to add

All paths are relative to this directory.

  - a kind of write: batch.go encodes it as an op, which internal/plan/ops.go defines and
    internal/plan/fold.go applies to a draft
  - a kind of record, or a field of its header: internal/record/record.go has the format,
    internal/plan/encode.go writes it, and internal/state/version.go says how it changes an
    allocation's version; a field of an allocation belongs to package schema
  - a list: internal/lists keeps it, selector.go names it and list.go reads it
  - a condition on a batch: conditions.go states it, and internal/plan/conditions.go checks it
    against the batches before it in the group; a batch that is refused does not affect the others
  - an error of Open, or any other: errors.go has the exported values, and a lower package
    declares those it finds in its own errors.go; internal/state/load.go has the steps of Open
  - a bound on memory: options.go has the setting; internal/state/evictor.go drops decoded
    allocations, and internal/state/jobs.go keeps decoded jobs, which are never dropped
  - a way to lose the file: lookout.go notices it, and internal/logfile/database.go contains
    memory faults
  - a number of the manifest, which older releases must keep: internal/logfile/note.go
  - a step of the commit: committer.go calls the steps, group_writer.go has those for one group
*/
package store
