/*
Package store is an embedded, durable store for a scheduler's allocations: a [Store] applies
each [Batch] of writes at an index of its own, a [Snapshot] reads at one index, a wait blocks
until an allocation changes, and a feed has every [Change] in order.

	s, err := store.Open("state.db", nil)
	placed, err := s.Upsert(ctx, &schema.Allocation{ID: id, NodeID: "node1", Job: job})
	go s.AppendTaskEvent(ctx, id, "redis", schema.TaskStateRunning, event)
	changed, err := s.Wait(ctx, id, store.QueryOptions{MinQueryIndex: placed.Index})
	fmt.Println(changed.Outcome, "at", changed.Index, changed.Alloc.TaskStates["redis"].State)
	// Changed at 3 running

The scheduler writes by [Store.Upsert], the clients by [Store.UpdateFromClient] and
[Store.AppendTaskEvent]. Both write the same allocation, and package schema says which fields
each owns. Reads are by ID ([Store.Get]), or by node, job, evaluation and ID prefix
([Store.ByNode] and the like).

# Consistency

A batch is applied as a whole or not at all. Every batch that changes something has an index
above all before it, also across restarts, and all readers see the batches in that order. A
write is compared by content; one that changes nothing takes no index and wakes no reader.
When Apply has answered, every later read sees the batch. A snapshot shows exactly the batches up to its
index. Get may see a batch shortly before LastIndex and Snapshot do; it is
durable by then.

A wait ends when its allocation changes above the given index, and otherwise only by time, a
restore, compaction, Close or failure. Given back, the index of its result misses nothing;
package watch has the proof.

# Durability

When Apply returns without an error, the batch is on the disk: it was written and synced with
its index before any reader could see it. A crash at any time leaves a file that opens with
every answered batch. Open takes an unfinished commit back (design/0009).

After a failed commit the content of the disk is unknown. The store is then failed
([ErrFailed]): it accepts no writes and no waits, serves published content, and recovers by
being opened again.

Open reads the whole file by plain reads before it is mapped. It verifies the structure of the
pages, the checksums of records and jobs, and the content sum, which every commit stores and
which reveals missing or stale pages. A damaged file is [ErrCorrupt]. If only the content of
known allocations is damaged, the store opens and serves all others. [Store.Check] verifies an
open store, its memory included.

[Store.Backup] writes the store at one index while writes go on. [Store.Restore] verifies a
whole backup, and then exchanges the content at one moment, under a new index.

Two writers cannot open one store: the file is locked, and so is its path.

# Assumptions

A disk keeps synced bytes; of later writes, each sector of 512 bytes is kept or lost as a
whole. A file system keeps synced names and sizes, and a rename is atomic. Locks are honored:
the file system is local, and used by one machine. Package internal/powercut tests the worst
that these allow; README has all guarantees with their tests.

Not protected: a disk that loses whole commits in silence (the store is then as before them); a
file that is changed on purpose, since checksums are no signatures; allocations that a reader
changes, which only Options.DetectMutation finds; the memory of the process.

# Concurrency

All methods of Store may be called from any goroutine. The store has two goroutines, which
Close ends: the committer writes, and the sweeper finds records that compaction may remove.
While the committer writes one group of batches the next ones queue, so many writers share a
sync. Readers never wait for writers: a lookup in memory takes no lock, a list takes a read
lock for one page of IDs, and no reader keeps a transaction of the file open between steps.

# Caveats

Allocations that the store returns are shared by all readers and must not be changed: Clone
them. Decoded allocations stay in memory unless Options.ResidentBytes bounds them.

Compaction removes superseded records when they outweigh the others, except the latest
Options.FeedRetention changes. Their pages are reused; only [Store.Compact] makes the file
shorter. An open snapshot or feed keeps compaction from removing the records it needs: close
it.

# Reading the source

core.go has the parts and the order in which a batch becomes visible. A write goes through
batch.go, apply.go, committer.go, group.go, plan.go and its steps fold.go, diff.go and
encode.go. The reads are get.go, snapshot.go, list.go, wait.go and changes.go. Compaction is
sweeper.go, window.go, removals.go, compact.go and rewrite.go. Below this package,
internal/state holds the content of one file in memory and loads it, internal/logfile is the
file, and internal/record is the format of its content.
*/
package store
