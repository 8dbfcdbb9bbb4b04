/*
Scale is the two-million-container challenge in one process: two million allocations
placed, ten durable events of each, a million blocked readers, and all of it read
back from the file.

	go run ./bench/scale [-allocs n] [-events n] [-readers n] [-writers n] [-batch n] [-json] [-out dir] ...

# Phases

First it measures placing, updates and lookups on a small store of -small
allocations, to compare rates with. On another store it places -listed allocations on
-nodes nodes, blocks a reader of each node's list, and measures the memory of one; then
it places -placements batches of 1,000 on random nodes, and measures how soon the readers
of a batch's nodes are awake. Then, with -allocs allocations, it

 1. places them in batches of one job of 1,000, on 5,000 nodes;
 2. reports -events events of each from -writers clients, one allocation an update
    (or -batch); an update carries the whole state of the task, and all tasks have
    event n before any has event n+1;
 3. reads each allocation once, and then random ones, from two goroutines;
 4. reads with two goroutines and updates with 64 until two garbage collections have
    passed, to measure the share of processor time that they take;
 5. blocks -readers readers, each on an allocation of its own, and measures the
    memory of one; wakes -wakes of them, one update each; updates as many
    allocations without a reader; ends the remaining readers by their context;
 6. closes and opens the store -opens times, reads some allocations from the file,
    then checks all allocations, lists and counts;
 7. opens the store with a bound on resident bytes, about an eighth of all, and
    reads as many random allocations as there are;
 8. compacts the store, opens it, and checks all allocations again.

# Checks

The program ends with exit status 1 at the first difference from the acknowledged
writes: in any field of an allocation, in the index of its insert or last change, in
its ten latest events or the task state that earlier events left; in the last index,
which is one more than the number of batches; or in a reader that sleeps through the
change of its allocation or its list, or wakes for another one or with another result. A missed target does not end it.
The targets are those of the design, for the default sizes.

# Method

The store has default options. The process also generates the data: it keeps 12
bytes for an allocation and generates the rest anew for each update. The figure "of
an update's time, making it" says how long that takes. A lookup is Get alone, which
does not touch the returned allocation. The memory of a phase is the process's own
memory; mapped pages of the store's file count in the peak alone. The share of
garbage collection is a share of the processors' busy time, from the last collection
before the phase to the last one in it.
*/
package main
