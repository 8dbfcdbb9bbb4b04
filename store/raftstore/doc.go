/*
Package raftstore runs a store on several machines: each has a Node, which is a store, a log, and raft
(github.com/hashicorp/raft, with github.com/hashicorp/raft-wal as the log). Writes go through the log, and every node has
the same content under the same indexes. It is a module of its own, so a program that embeds the store alone does not
depend on raft.

	t, err := raftstore.NewTransport("10.0.0.1:4650", &raftstore.TransportOptions{TLS: mutual})
	n, err := raftstore.Open("/var/lib/scheduler", &raftstore.Config{ID: "a", Transport: t})
	err = n.Bootstrap(members...)                         // once, for a new cluster
	applied, err := n.Apply(ctx, &batch)                  // on any node
	info, err := n.Read(ctx, raftstore.Linearizable)      // then read n.Store()

# What a node is

The index of a batch is the index of its entry in the log. The store is the only copy of the content: raft's snapshot is
the store's file, and taking one copies nothing. A node that was away for too long receives the content of the leader as of
the moment. It is built into a file beside the store's while it arrives, verified, and then exchanged; reads,
waits and feeds go on.

Reads, waits, lists and feeds are those of Store, on every node. They show the entries that this node has applied. Apply returns
when the node that it was called on shows the batch, so a caller that stays with one node reads its own writes. A caller that
changes nodes takes Applied.Index along, and calls Store().WaitApplied. Read makes later reads fresh.

# Guarantees

  - A batch that Apply has acknowledged is on the disks of a majority, and is kept as long as a majority of the
    disks is. All nodes apply it completely, or refuse it with the same error.
  - Limits and the floor of conditions travel with the entry. So the results do not depend on the options of the
    nodes, on their compaction, or on how often an entry is applied again after a restart.
  - Linearizable reads show every batch that was acknowledged before. No clock matters.
  - A reader's index never goes back, on one node or from a node that is ahead to one that is behind. The only exception is an
    operator's Restore, which all readers are told, at one index.
  - A node whose store cannot apply an entry, or whose log cannot be written, halts: it gives the leadership away, answers
    nothing, takes no snapshot, keeps its log, and tells Config.Halted. Reasons are a full or failing disk of the store or
    the log, damage, a file that was removed, an entry of a later release, and an operator's restore that the cluster has not kept.
  - Open compares the store, the log and the newest snapshot before raft starts. It refuses a store that
    is older than the log's beginning, or has entries that the log never had, and says what to do.
  - Nodes compare digests of their contents, within seconds of a change. One whose content differs from the leader's halts.
  - Bytes of the network are verified before they reach the log or the store. Wrong ones end a connection, or get an error.

# Assumptions

Disks keep synced data, as package store and raft-wal assume. A node that loses its directory, or a part of it, is
removed from the cluster before it joins again: its vote and its log were part of majorities. A node with an empty directory gives
no vote before it has caught up, since a member that has not heard of the removal may still count it.

Leader reads, and only they, assume that clocks of the nodes run at about the same speed, that no process is paused, that
the log's disk does not hold raft up for as long as an election takes, and that no transfer of the leadership is under way. Raft
looks at the lease in the goroutine that also writes the log. A follower begins an election after HeartbeatTimeout without a word of its leader; the
leader steps down after LeaderLeaseTimeout without a word of a majority, which must be the shorter time.

Without TLS every client that reaches the port of a Transport can read and write everything. With mutual TLS every
certificate of the authority can: give the nodes an authority of their own.

# What it does not do

  - It does not retry. ErrNotLeader says that nothing has happened, as during an election, which takes one or
    two seconds with raft's defaults. After ErrOutcomeUnknown a batch with conditions may be repeated safely.
  - It does not heal by itself: a halted node is installed anew by its operator.
  - Only the leader can Restore: a backup is not forwarded.
  - All nodes have all the content: more nodes are for more failures and more readers, and not for more writes.

# Concurrency

All methods of a Node and a Transport may be called from any goroutine. A node has one goroutine that applies entries: all
those that have been committed meanwhile, up to raft.Config.MaxAppendEntries, go to the disk in one commit.
*/
package raftstore
