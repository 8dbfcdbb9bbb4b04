/*
Cluster does the same work on three nodes of allocstore, of go-memdb behind raft, and of etcd, in one run, and compares
them.

	go -C bench/cluster run . [-n 100000] [-rounds 5] [-seconds 1] [-writers 1,16,256,1024] [-readers 16,256]
	         [-failovers 5] [-away 1m] [-restart 300000,2000000] [-install 300000,2000000]
	         [-only regexp] [-quick] [-cpuprofile FILE] [-json] [-dir DIR] [-out DIR]

It prints a table of medians with ratios, and then the targets of the design: each is met, not met, or not run, which
includes a run on fewer allocations than the target needs. With -out it saves the same as cluster.txt, and with every sample
as cluster.json. The full size takes an hour, 16 GB of memory and 20 GB of disk:

	go -C bench/cluster run . -out ../results

-quick is a small size of everything in less than half a minute.

# Systems

Each system is a process with three nodes on loopback TCP. The nodes have directories on one disk, and sync.

	allocstore   three raftstore.Nodes with their defaults. An update is a batch of its own by Node.Apply.
	go-memdb     the FSM of the same raft with the same configuration and the same log. All entries that raft
	             gives at once are one transaction. A row is replaced by a copy with the update. The table has the
	             indexes id, node, job and evaluation, and the last index of the table is a row too.
	etcd         three embedded servers with their defaults, apart from the quota, and 16 clients of each.

The bytes of an update are the same everywhere, and are encoded by allocstore's own codec, which is quicker than those
that go-memdb's users have. etcd puts them blindly under a key of their own: it neither reads nor rewrites the allocation.
An allocation has the shape of the documented one. An update is a client's: the status, and a task with three events.

# Work

	write/W      durable updates of single allocations by W writers, each in a goroutine. Writers are on the leader; with
	             "followers" they are on both followers, which forward, as etcd's do. Those of etcd are on all three
	             nodes, with "leader" on that one. Apply on a follower returns when that node shows the update; etcd's
	             writers do not wait for that.
	read/K/R     reads of random allocations by R readers through one node. Linearizable: Read and Get; VerifyLeader
	             and a transaction; etcd's default. Stale: Read and Get; a transaction; WithSerializable. A read that
	             does not show the acknowledged update ends the run.
	failover     the longest time without an acknowledged write when the leader stops without a word, for 16 writers
	             that try again, through all nodes that take writes. Raft's and etcd's default timeouts.
	away         a follower is stopped for -away under load by 16 writers. The time from its start until it has reached the
	             index of the leader as of the start; the load goes on. Beyond the log, the leader has cut its log before,
	             and sends a snapshot. etcd cuts its log by itself. Raft's pause between attempts to reach a node that does
	             not answer grows to 10 s, and is a part of the time.
	restart/N    a follower with N allocations is stopped and started: the time until it answers a stale read, and a
	             linearizable one. Of go-memdb above 300,000 there is one node, because three need too much memory.
	install/N    an empty node joins one with N allocations and a log that begins after them. The time from the snapshot's
	             last byte until raft has the answer that it is installed, and the time from joining on. etcd is left out.

# Method

The systems take turns, round by round, in rotating order, after a warm-up. Every figure is the median over the rounds.
After each piece of work every acknowledged update is looked for on all nodes, and the nodes are compared with each
other: by Digest, by a hash of all rows, and by etcd's HashKV. A difference ends the run with exit status 1.

All nodes share two processors and one disk here. On three machines each has its own, and the network is slower.
*/
package main
