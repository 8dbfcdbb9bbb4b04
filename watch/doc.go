/*
Package watch is the registry behind blocking queries: it knows who waits for
which ID to change, and wakes exactly those.

# What it is

A [Registry] knows three things: 16-byte IDs, indexes and waiters. It holds no
data and never asks for any. A reader that has seen an ID up to an index registers
a [Waiter] for it with that index as its min, and blocks on the waiter's channel.
A writer that has changed an ID calls [Registry.Notify] with the index of the
change. [Registry.Broadcast] is for what concerns everybody: a restore, the end.

Each registration receives at most one [Signal], and a signal only says that it is
worth looking again. So nothing is queued, a slow reader holds up nobody, and ten
changes in a row are one wake-up.

# Consistency

The protocol has two sides:

	writer: publish the change, then Notify
	reader: look; if there is nothing new: Register, look again, then block;
	        in the end Deregister

A reader that follows it loses no wake-up and has no spurious one:

  - A Notify of index i wakes the waiters of that ID whose min is below i. A
    waiter at min i or above stays, and so does everybody on other IDs.
  - What a signal tells of is visible to the one who receives it.
  - A waiter that was given a time (see [Registry.ExpireAfter]) and received nothing
    until it is up receives Expired then, and not before.
  - A broadcast reaches everybody whose Register returned before it began,
    whatever the min, and nobody twice: who is told of a restore and registers
    again while others are still being told is not told again.
  - After a terminal broadcast (Closed, Failed) Register itself delivers the
    signal. The first terminal one stays, but for a Closed after a Failed, which
    replaces it for those who register from then on.

# Concurrency

The IDs are spread over 256 shards by a keyed hash, so that neither sequential nor
chosen IDs crowd one. A shard has a mutex and, for each ID that somebody waits on,
a doubly linked list of nodes; a hash table finds its head. The nodes live inside the
waiters. Beside the lists it has a clock, with the deadlines of the waiters.

Lock order. The broadcast lock, which Broadcast alone takes, comes before any
shard's. Nobody ever holds the locks of two shards: a waiter on several IDs is
linked, and unlinked, one ID after the other. So there is no cycle, hence no
deadlock. A caller may hold locks of its own around every call here, since nothing
here calls back or waits for a reader. Under a shard's lock nothing blocks and no
caller's code runs; sending is allowed, as it never blocks.

No wake-up is lost. Let L be the reader's critical section that links its node for
the ID, and N the first one of Notify for that ID. Both hold the same mutex, so one
comes first.

  - L before N: the node is in the list when N begins at its head. It leaves the
    list only by being woken or deregistered, and the walk passes all that stay.
    The reader is woken, unless something else has woken it already.
  - N before L: publishing happens before N, N before L, and L before the reader's
    second look. The second look sees the change, and the reader does not block.

For a broadcast the same holds, with two additions. It lists the IDs of a shard
in one critical section, N, and walks their lists after it; a node that is linked
before N is found by its ID, or has left. And it passes over waiters whose epoch is
its own: such a waiter read the epoch after the broadcast had moved it, so what
was published before is seen by its second look. Where there is nothing to look
at, at the end, Register does the looking: terminal is set before the epoch moves
and read after the last L, so by the same argument either the walk meets the
waiter or Register sees the terminal signal. If both, the next paragraph decides.

No signal is doubled. A registration is armed once, and its signal belongs to
whoever moves the waiter's state from armed to firing by compare-and-swap. Two
writers that change two IDs of one waiter, in two shards, at the same time, a
broadcast between them, the same ID given twice: one of them wins, the others
find a waiter that is not armed, unlink the node they came by and go on. The
winner's send does not block, since the buffer of one is empty when a waiter is armed
and there is one send.

No signal is late. A sender works on a waiter only while it holds the lock of a
shard where it found one of the waiter's nodes. Deregister first moves the state
from armed to idle, if nobody was faster, and then passes through the lock of each
of the waiter's shards. Afterwards no sender can be at work on the waiter or find
it again. Only then the buffer is emptied, and the waiter is as new. The one
shortcut is for a waiter on a single ID that has been woken, or a herd would
queue up for a lock it does not need: its node was unlinked, and taken out of the
clock, before its signal was sent, and the state fired is the sender's last touch.
Seeing that is enough.

No walk is endless, and none keeps others out for long. A list is walked from its
head, in turns of 256 nodes. In between the lock is free, and a bookmark, a node
without a waiter, keeps the place. Newcomers are put at the head, which the walk
has passed: they need no waking, for they look again. Measured with 100,000
blocked waiters on one ID and a neighbour that keeps registering on it, on 2
processors: in one go the neighbour stands still for the whole walk, 59 to 76 ms;
with turns it gets tens of thousands of registrations done meanwhile, waits 40 ms
at worst, and so makes the walk itself last 92 to 125 ms. What remains of its wait
is the scheduler's queue of 100,000 goroutines made ready.

No expiry is lost. The deadlines of a shard's waiters, which are in the shard of the
first ID, are in a heap, and there is one timer for the earliest. Heap, timer and rings,
the instant that the timer is set for, are guarded by the shard's lock, and what is
true whenever the lock is free is this: no deadline in the heap is before rings,
unless the timer has run and ring, which it runs, is yet to come to its last critical
section. A deadline that is added is compared with rings and brings it forward if
need be. One that is removed leaves rings where it is: then the timer runs for
nothing. And ring sets rings anew, by what is in the heap, in the critical section
in which it finds nobody whose time is up. If a deadline is so short that the timer is
set while a ring is still at work, a second one runs beside it: each does under the
lock what there is to do, and the last leaves the timer right. At the end the timer
is stopped for good, in the critical section N of the terminal broadcast: who was
linked before it is told by the broadcast, and who comes after by Register.

No expiry is early: the time that ring compares the deadlines with is read after the
timer ran. None is late in another registration, for ring is a sender like all others:
it finds a waiter by its node, under the lock of that node's shard, through which
Deregister passes before the waiter is used again. What it sends belongs to whoever
moves the state from armed. A waiter whose time was up between two registrations finds
a deadline that has passed when it is linked, and the timer is set for now.

There is no goroutine and no channel but the waiter's own, and no timer for it. A shard
that had a deadline keeps its timer, which runs at most once after everybody has left,
unless the registry has come to its end.

# Cost

On a 2-core machine: 30 to 60 ns for a Notify that nobody waits for, 110 ns for
one that wakes one waiter, 55 ns to register and deregister a pooled waiter, also
beside a million others, and 30 ns for each further ID. Of these only a Notify that
wakes somebody allocates: the one signal that all of them receive. A
herd of 100,000 goroutines blocked on one ID is notified in 54 to 78 ms, most of
which goes into making them ready, and the last of them has deregistered 2 ms
later. A broadcast to a million waiters on a million IDs takes 0.6 to 0.9 s.
Deregistering takes the same time wherever in a herd the waiter stands.

# Memory

A million waiters on a million IDs hold 225 bytes each: 112 for the channel, 96 for
the waiter with the node of its first ID, 9 for its place in the clock, and 8 to 16
for a bucket of the shard's table, whose chains go through the nodes. A further ID
costs a node of 48 bytes and its bucket. In Go's map an ID takes 56 bytes, and time:
with it, a waiter took 75 ns to register and deregister and not 50, one on ten IDs 570
and not 310. What is sent is in the waiter and not in the channel, which is 8 bytes
less, and nothing for the garbage collector to look into.

A table that has come down to an eighth of a list for each bucket is made smaller, and
so is a clock's heap that an eighth is left of; those below 128 are kept for reuse.
After 300,000 waiters on as many IDs have left, 0.15 MB remain.

# Caveats

A waiter belongs to one registry, and to one goroutine at a time, from Register to
Deregister. Pooling waiters saves their allocation. Under testing/synctest a
pool must not outlive its bubble, since a channel belongs to the bubble it was
made in.

Whoever registers must deregister, woken or not. A waiter on several IDs leaves
the count when it is woken, but its nodes for the other IDs stay until it
deregisters or until those IDs change.

Deregister throws away a signal that was not received. A reader whose time runs
out therefore looks at its data after Deregister, not before, if it must not
answer with less than it could have known.

A Notify that runs beside a terminal broadcast may reach a waiter that registers
at the same time first; Changed is then what it receives, and its next
registration hears of the end.

A min is compared with the index of the call, not with the order of calls. Of two
changes of one ID the later must have the higher index, or a reader that has seen
the first never hears of the second.
*/
package watch
