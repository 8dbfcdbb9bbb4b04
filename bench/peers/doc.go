/*
Peers does the same work on allocstore and on the stores that schedulers use today,
in one run, and compares them.

	go run . [-n 300000] [-rounds 5] [-seconds 1] [-writers 1,4,16,64,256,4096] [-herd 100000]
	         [-curves] [-sizes 10000,100000,1000000,2000000] [-curve-writers 1,4,16,64,256,1024,4096]
	         [-only regexp] [-json] [-date DATE] [-dir DIR] [-out DIR]

It prints a table of medians with ratios, and then the targets of the design: each is
met, not met, or not run, which includes a run on fewer allocations than the target
needs. It saves the same as peers.txt in -out, with every sample and the machine in
peers.json and the curves as SVG. -out is bench/results if the program runs in its
own directory.

# Work

	memory     heap bytes of an allocation: inserted, opened, read once, with ten events
	disk       file bytes of an allocation
	lookup     Get by the ID's string, everything in memory, two goroutines
	list       the lists of a node, of a job, of an ID prefix of 4 hex digits and of all, in
	           one snapshot or transaction, everything in memory, one goroutine
	getmany    GetMany of 1,000 random IDs beside a loop of Get, everything in memory, one
	           goroutine
	file       Get of allocations not in memory, two goroutines
	open       Open with a warm page cache
	update     durable client updates of single allocations by concurrent writers
	event      durable AppendTaskEvent by concurrent writers; Pebble writes 300 bytes
	           without reading anything
	place      durable placement, in batches of one job's 1,000 allocations
	mixed      two goroutines of lookups, 64 writers of updates and 1,000 blocked readers
	           at once; half of the updates are of allocations that a reader waits on
	           (Pebble has no waits, and its lookups return the undecoded parts)
	park       blocked readers: bytes of each, and the time until one is awake
	herd       many blocked readers of one allocation: the time until the last is awake
	sustained  file bytes and live bytes while up to 100,000 allocations are updated ten
	           times each
	curve      with -curves: updates by the number of writers; and lookups, Open, the heap
	           after it, and updates by 256 writers, by the number of allocations

# Peers

	go-memdb     a UUIDFieldIndex table of pointers; in memory only
	statedb      a table of pointers by the ID's 16 bytes; in memory only; for list also
	             indexed by node, job and evaluation
	sync.Map     keyed by the ID's string; the bare concurrent map
	xsync        the Map of puzpuzpuz/xsync, keyed by the ID's string; the same
	sharded map  256 maps behind RWMutexes, keyed by the ID's string; the same
	Pebble       keyed by the ID's 16 bytes, every commit synced; "whole" keeps the
	             allocation as one value, so an update reads and rewrites all of it;
	             "lists" places each allocation in the lists of its node, job and
	             evaluation too
	Badger       keyed by the ID's 16 bytes, with SyncWrites, which syncs each
	             transaction by itself; tables of whole values are mapped, uncompressed
	bbolt        keyed by the ID's 16 bytes; Update, Batch with its defaults, and Batch
	             with a MaxBatchDelay of 1 ms

Choices favour the peers: they store the bytes of allocstore's own codec; a client
update is a blind write of the client's part; no update gets an index; and there are
no secondary indexes, except in go-memdb, in statedb for list and in "Pebble, lists",
which have the same as allocstore. The disk space of Pebble and Badger excludes the
write-ahead log.

# Method

All peers of a piece of work take turns, round by round, in rotating order, after a
warm-up. Every figure is the median over the rounds. After the updates and the
events, a sample is compared with the last acknowledged ones. The data have a fixed seed.

Lookups, lists and getmany read a field of each allocation, since a peer that returns a
pointer has not touched the allocation's memory. Lookups and getmany check the ID of
each result. Lists are random ones; the length of each is compared with the data.

The figure of list and getmany is the time for one allocation in the median chunk of a
round. A chunk has at least 1,000 allocations: one job's list, or about 17 nodes' lists,
or one list of all.

A wake's latency ends when the reader's goroutine runs again. If it runs before the
write is answered, the latency from the answer is 1 ns. A wake is spurious if the
reader's allocation was not written; other allocations are written meanwhile.

The p50 and p99 of lookups are of every 64th lookup and include reading the clock. The
rate of lookup and file is that of the median 128 lookups. In the mixed load readers
yield after every 128 lookups, and the rate is over the whole time.
*/
package main
