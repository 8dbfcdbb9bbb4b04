/*
Clusters runs three to five nodes of package raftstore under faults, with clients that write,
read, wait and follow, and decides whether the cluster has kept its promises.

	go run . [-time 1h] [-seed n] [-part 20s] [-out dir] [-v]

Each node is a process of this program, with a directory of its own. It has a disk of its own too
where this machine permits it. The parent is all clients, all proxies between the nodes, and the
operator. So there is one clock for all calls, and a kill loses no record of them.

# Faults

Two sequences of faults run at the same time. One is around the nodes: kill -9 of one, two, all or
the leader; a stopped process; a node that is cut off, silent, slow, heard but not hearing, or
the reverse; a bridge; narrow links. The other is for the operator: a lost disk, a full one, calls of
the system on the store or the log that fail; members that join, become voters and leave;
transfers, snapshots, compaction, a node that is left behind until it must be installed. A fault of
a disk makes the node halt. It must say so, answer nothing, and come back by being opened again, or by
leave, removal and join. At most one disk is lost or broken at a time, so that a majority of the
disks is kept. Between two parts a backup is restored at times, and a node killed meanwhile.

Clocks: raft uses the monotonic clock, and the store takes no time from a clock into its content. So
the nodes have different timeouts and leases, as clocks of different speed would give them, and a
stopped process is a clock that stands still. A process cannot be given a wall clock that is wrong.

# Checks

A run is made of parts. At the end of a part everything is healed, and the history is checked. The
feeds of all nodes, which must be equal, give the order of all batches. A model replays them:

  - each batch of the feed is that of one write, whose conditions held, and has its effect exactly
  - no acknowledged write is missing, no write is there twice, and a refused one is not there
  - a linearizable read shows an index that includes all that was known before; every read shows
    an allocation as it was at an index that is possible; own writes are there, also on other nodes
  - waits for allocations and lists return exactly the changes up to their index, on any node; the
    index never goes back; in the end each reader has been told everything
  - feeds and streams of lists have each change once and in order, across nodes and kills
  - a node never opens at an index below one that its directory has shown, halts only for a reason, and
    has the same digest as the others at each index
  - in the end all nodes have the same content byte by byte, and Check finds nothing

Porcupine, without indexes, looks for an order of the linearizable reads, the writes and the
conditional writes on each register that explains their replies. A write whose outcome is unknown
stays open to the end. Parts bound its search.

After a failed run the history and the messages of the nodes stay in a directory, which the
report names.

# Mutants

The tests run clusters that break a promise, one for each of mutant.go, and change the record of a
good run into one that no good cluster could have made. The harness must notice each of them.

It needs Linux. Without the right to mount file systems all nodes share a disk, and a full disk is
calls of the system that fail.
*/
package main
