/*
Package watch is the registry behind blocking queries: it knows which readers wait
for which ID to change, and wakes exactly those.

# What it is

A [Registry] has 16-byte IDs, indexes and waiters. It holds no data and never asks
for any. A reader that has seen an ID up to an index registers a [Waiter] for the ID,
with that index as its min, and blocks on the waiter's channel. A writer that has
changed an ID calls [Registry.Notify] with the index of the change.
[Registry.Broadcast] wakes all waiters, after a restore and at the end.

Each registration receives at most one [Signal], which is only a hint to look again.
So nothing is queued, a slow reader delays no other, and ten changes in a row are one
wake-up.

The hard part is the moment between a reader's look at the data and its registration:
a change made then must not be missed. So the reader looks twice.

	writer: publish the change, then Notify
	reader: look; if there is nothing new: Register, look again, then block;
	        in the end Deregister

Either Notify finds the waiter, or the second look sees the change; see the proof.

# Consistency

A reader that follows the protocol loses no wake-up and has no spurious one:

  - A Notify of index i wakes the waiters of that ID whose min is below i. Waiters
    with a min of i or above stay registered, as do the waiters of other IDs.
  - The change behind a signal is visible to the receiver of the signal.
  - A waiter with a deadline (see [Registry.ExpireAfter]) that has received nothing
    until then receives Expired, and not earlier.
  - A broadcast reaches every waiter whose Register returned before it began,
    whatever its min. It reaches a waiter once: a reader that receives Restored
    and registers again does not receive it again from the same broadcast.
  - After a terminal broadcast (Closed, Failed) Register itself delivers the
    signal. The first terminal signal stays, except that a Closed replaces a Failed
    for later registrations.

# Lists and classes

The registry gives an ID no meaning, so an ID may also stand for a list of things. A list
has an ID of its own, 16 bytes like any other, which its name determines. A change of one
thing then has to notify several IDs: that of the thing, those of the lists that it is in,
and those of all prefixes of its ID. Hardly any of them has a waiter.

So IDs are grouped into at most 256 classes, such as the lists of one kind, or the
prefixes of one length. A reader of a list gives the class with [Waiter.WatchClass]. The
writer asks with [Registry.Waited], once for a batch, which classes have waiters, and
makes and notifies the IDs of these alone.

	writer: publish the change; Waited; Notify each ID of a class in the result
	reader: as above, with WatchClass

All readers of a list give the same class: the writer may not notify a reader without it.
Notify itself ignores classes, and wakes every waiter of its ID. A waiter counts in its
class from Register to Deregister, also after it has been woken. So Waited may return a
class too many, but every class with an armed waiter is there.

# Concurrency

The IDs are spread over 256 shards by a keyed hash, so that neither sequential nor
chosen IDs crowd one. A shard has a mutex; for each ID with waiters a doubly linked
list of nodes, whose head a hash table finds; and a clock with the deadlines of its
waiters. The nodes live inside the waiters. There is no goroutine, and for each waiter
its own channel and no timer. The waiters of each class are counted under one more
mutex, which only readers take; Waited reads four words that are set under it.

Lock order. The broadcast lock, taken only by Broadcast, comes before the shards'
locks. The lock of the classes is a leaf, taken while no other lock is held. No goroutine
holds the locks of two shards: a waiter on several IDs is linked and unlinked one ID after
the other. So there is no cycle, hence no deadlock. Callers may hold their own locks around every call here, since this package never calls back
and never waits for a reader. Under a shard's lock nothing blocks and no caller's code
runs; a send never blocks, so it is allowed there.

The invariants, marked so at the fields that they bind, hold whenever the lock of the
shard is free.

# Proof

No wake-up is lost. Let L be the reader's critical section that links its node for
the ID, and N the first critical section of Notify for that ID. Both hold the same
mutex, so one comes first.

  - L before N: the node is in the list when N begins at the head. It leaves the list
    only when it is woken or deregistered, and the walk passes every node that stays.
    The reader is woken, unless another signal has woken it already.
  - N before L: publishing happens before N, N before L, and L before the reader's
    second look. The second look sees the change, and the reader does not block.

No wake-up is lost by a class. The waiter counts itself in its class before it is
linked, and the reader looks after that. The writer makes the change visible before it
reads Waited. The count and the bit of a class change in one critical section, so the bit
stays set while the count is above zero. Let C be the operation that set the bit for the
waiter, its own or that of a waiter before it, and W the writer's load of the bit. Both
use one atomic word, so one comes first.

  - C before W: Waited has the class, unless the waiter has deregistered. Notify
    follows, and the proof above holds for it.
  - W before C: publishing happens before W, W before C, and C before the reader's second
    look. The second look sees the change, and the reader needs no Notify.

The same holds for a broadcast, with two additions. It lists the IDs of a shard in one
critical section, N, and walks their lists after it; a node that is linked before N is
found by its ID, or has left. And it passes over waiters that have its own epoch: such
a waiter read the epoch after the broadcast had moved it, so its second look sees all
that was published before. A terminal signal has no data to look at, so Register looks
for it: the signal is set before the epoch moves and read after the last L, so by the
same argument either the walk meets the waiter or Register sees the signal. If both
happen, the next paragraph applies.

No signal is doubled. Several senders may meet one waiter: two writers that change
two of its IDs, in two shards; a broadcast between them; the same ID given twice. The
sender that moves the state from armed to firing sends. The others find a waiter that
is not armed, unlink the node they met and go on. The send does not block: the buffer
of one is empty when a waiter is armed, and there is one send.

No signal is late. A sender works on a waiter only while it holds the lock of a shard
where it found one of the waiter's nodes. Deregister first moves the state from armed
to idle, unless a sender was faster, and then passes through the lock of each of the
waiter's shards. Afterwards no sender works on the waiter or can find it. Only then the
buffer is emptied, and the waiter is as new. One shortcut keeps a herd of woken waiters
from queueing for the lock: a waiter on a single ID that has been woken takes no lock.
Its node was unlinked, also from the clock, before its signal was sent, and the sender
touches it for the last time when it sets the state to fired, so seeing that state is
enough.

No walk is endless, and no walk keeps the lock for long. A list is walked from its head,
256 nodes at a time. In between the lock is free, and a bookmark, a node without a
waiter, keeps the place. New nodes are linked at the head, which the walk has passed:
they need no waking, since their readers look again. Measured with 100,000 blocked
waiters on one ID and a goroutine that keeps registering on it, on 2 processors: in
one go that goroutine stands still for the whole walk, 59 to 76 ms. With turns it
registers tens of thousands of times meanwhile, waits 40 ms at worst, and so makes the
walk itself last 92 to 125 ms; its wait is the scheduler's queue of 100,000 goroutines
that were made ready.

No expiry is lost. The deadlines of a shard are in a heap, and one timer is set for
the earliest. A new deadline brings the timer forward if it is earlier; a removed one
leaves the timer alone, which then runs once for nothing. The timer's function sets the
timer anew in the critical section in which it finds no deadline that has passed. If a
deadline is so short that the timer is set while its function still runs, a second
function runs beside the first: each does under the lock all that is due, and the last
leaves the timer right. At the end the timer is stopped for good, in the critical
section N of the terminal broadcast: waiters linked before it are woken by the
broadcast, later ones by Register.

No expiry is early: deadlines are compared with a time that is read after the timer
ran. No expiry reaches a later registration: the timer's function is a sender like all
others. It finds a waiter by its node, under the lock of that node's shard, through
which Deregister passes before the waiter is used again, and it sends only after moving
the state from armed. A waiter whose time is up between two registrations has a
deadline in the past when it is linked, so the timer is set for now.

# Cost

On a 2-core machine: 30 to 60 ns for a Notify of an ID without waiters, 110 ns for one
that wakes one waiter, 55 ns to register and deregister a pooled waiter, also beside a
million others, 30 ns for each further ID, and some 25 ns for a class; a writer reads
the classes that have waiters in 15 ns. Of these only a Notify that wakes a
waiter allocates: the one signal that all its waiters receive. A herd of 100,000
goroutines blocked on one ID is notified in 54 to 78 ms, mostly spent on making them
ready, and the last of them has deregistered 2 ms later. A broadcast to a million
waiters on a million IDs takes 0.6 to 0.9 s. Deregistering takes the same time
wherever in a herd the waiter stands.

# Memory

A million waiters on a million IDs hold 225 to 233 bytes each: 112 for the channel, 96
for the waiter with the node of its first ID, 9 for its place in the clock, and 8 to 16
for a bucket of the shard's table, whose chains go through the nodes. A further ID
costs a node of 48 bytes and its bucket. A class costs a waiter nothing, since it fits into
the padding of the node; the counts of all classes take 1 kB. Go's map in place of the
table was measured again and costs too much: 280 bytes a waiter by ID and 262 by the ID's hash, and 74
to 94 ns to register and deregister for 53 to 65. The signal is in the waiter
and not in the channel, which saves 8 bytes, and pointers for the garbage collector.

A table is made smaller when it has fewer lists than an eighth of its buckets, and a
heap when an eighth of it is left; those below 128 are kept for reuse. After 300,000
waiters on as many IDs have left, 0.15 MB remain.

A shard that had a deadline keeps its timer, which runs at most once after all waiters
have left, and not after the registry's end.

# Caveats

A waiter belongs to one registry, and to one goroutine at a time, from Register to
Deregister. Pooling waiters saves their allocation. Under testing/synctest a pool must
not outlive its bubble, since a channel belongs to the bubble that made it.

Every registration needs a Deregister, also after its signal. A woken waiter on several
IDs leaves the count, but its nodes for the other IDs stay until it deregisters or
until those IDs change.

Deregister throws away a signal that was not received. A reader whose time runs out
therefore looks at its data after Deregister, not before, if it must not answer with
less than it could have known.

A Notify that runs beside a terminal broadcast may come first to a waiter that
registers at the same time. That waiter receives Changed, and its next registration
receives the terminal signal.

A min is compared with the index of the call, not with the order of calls. Of two
changes of one ID the later must have the higher index, or a reader that has seen
the first never hears of the second.
*/
package watch
