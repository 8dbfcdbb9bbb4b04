/*
Powercut cuts the power of a store, or of a whole node of a cluster, and has its disk fail, at every moment there is.

	go run . [-images n] [-seed n] [-sweep=false] [-chains n] [-node n] [-ext4 n] [-out dir]
	go run . -images 0 -chains 0 -ext4 0          # nodes alone

It needs root and /dev/fuse; and mkfs.ext4 and loop devices, unless -ext4 is 0.

# Power cuts

A store is used on a file system that logs every write, truncate, sync and change of
a name, in order, with the moments at which the store acknowledged an index. The log
tells which states a disk may be in after a power cut. All operations that a completed
sync covers are done. Later ones may be done or not: all subsets are tried where they
are few. A write may be torn between sectors, a meta page between bytes; some of its
sectors may be written, or have arbitrary bytes. A change of a name may be done or not.
The comment on device has the exact assumptions.

Every such image is opened with store.Open. The store must open, at the last
acknowledged index or a later one of the workload, and every way of reading it (the
list, Get, the feed from its floor on, Check) must show the state after exactly that
batch, and its applied index may only be ahead of it by entries that changed nothing.
One image in four is written to and opened again.

One assumption goes beyond what a disk promises: a sector that is written with the
bytes that it has already keeps them, power cut or not. Open relies on it when it
writes the last transaction's pages again, in their place.

# Failing at step n

A shorter workload is run again and again, and the nth write, truncate, sync or
change of a name fails: once or from then on, with EIO or ENOSPC, for every n until
nothing fails. The store must fail, wake its waiters and feeds with ErrFailed, and
still show all that it had published. Opened again on a working disk, it must hold
every acknowledged batch, and beyond them at most the one whose outcome was unknown;
a compaction, a restore or a CatchUp is done as a whole or not at all. The store is
then written to, and its power is cut as above. A failed sync covers nothing, and no
later sync makes up for it.

# Chains

The state after a crash is opened, used and crashed again, three times in a row, at
any moment, also during Open. A crash is a power cut, or only the end of the process:
then unsynced data can be read, and is synced later or lost in the next power cut. In
between a sync or a write may fail, as above. After each crash power is cut as above,
and a batch that was shown to be absent must stay absent.

# Below a file system

The same with an ext4 between the store and the disk, in a file of the disk. The log
has the file system's operations, and an image is mounted, so that the file system
replays its journal, before the store in it is opened. No write is torn here, since a
file system on a disk that tears its blocks promises nothing.

# Nodes

The directory of a node of package raftstore is recorded as a whole: the store, the files
and the metadata of its log, the snapshot's meta, the file of a snapshot that arrives, and
that of an operator's restore. Two kinds of nodes are used.

One votes alone. It applies batches of one and of several callers. Some are
refused, and some change nothing. It takes snapshots that cut its log, is closed and opened, and is
restored. In each image raftstore.Open must succeed. Before the election the store must be
in the state after a batch, with an applied index that fits. Then the node must elect
itself, and show the state after a batch at or past the last acknowledged one, and all
batches of its log. One image in four gets another batch, and is opened again.

The other one has no vote, and takes snapshots of its leader, whose directory is not
recorded: after it was away while the log was cut, and at an operator's restore. In each
image Open must succeed without the leader. The store must be at the last index of a reader
or a later one, and log and snapshot must reach the last entry that was synced. One image in four is
connected to a copy of the leader, and must get an equal digest.

No image may be refused. ErrLogMismatch is for a directory with a part that was removed,
replaced by an old copy, or is another node's. ErrCorrupt is for data that changed after
they were synced. A power cut of a disk that keeps synced data leaves neither, so here
both are violations.

The harness has the log begin a file every 4 KiB, so that its files change often. raft-wal
alone passes neither the power cuts nor the faults: mendLog of package raftstore adds the
missing steps, and without any one of them the harness finds a violation.

Failing at step n is the same as for a store: in the store's file, in the log, in its
metadata, in the snapshot's meta. The node must return an error or halt, and do neither
late; raft must not panic; and opened again on a working disk it must have all that it
acknowledged, and beyond it at most the change in doubt. Removing files that are not needed
any more may fail silently.

# Mutants

The tests run the same harness on logs of stores and nodes that would lose something: with
syncs left out, also the directory's; with acknowledgements that come early; below an ext4
that asks the disk for no order; with a snapshot's meta that is written before the store
is durable, or after the log was cut; and with the meta of an arriving snapshot that counts
before the content does. The harness must notice.
*/
package main
