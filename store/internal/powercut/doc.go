/*
Powercut cuts the power of a store, and has its disk fail, at every moment there is.

	go run . [-images n] [-seed n] [-sweep=false] [-chains n] [-ext4 n] [-out dir]

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

# Mutants

The tests run the same harness on logs of stores that would lose something: with
syncs left out, also the directory's; with acknowledgements that come early; and below
an ext4 that asks the disk for no order. The harness must notice.
*/
package main
