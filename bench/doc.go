/*
Bench is the store's main job as a program: it places allocations, looks them up,
parks readers, plays the life of the tasks, deletes, closes, reopens, and checks
everything against what it knows.

	go run ./bench [-allocs n] [-readers n] [-writers n] [-dir path] [-seed n] [-json]

It ends with exit status 1 and the first difference when anything is wrong: an
allocation's fields or its task's events, as read from the file; a deletion that is
not remembered; a reader that woke for anything but its allocation's first change; what
lists have; an index that the feed leaves out, or a store that differs from what the
feed leads to.

It prints a row for each phase, and what an allocation takes: of the heap, of the
file, and of the time to open the store. "open" counts the allocations that are there
then; "replay the feed" counts changes, those above the compaction floor. The rate of
client updates includes making them; their latencies do not.

The hot paths' benchmarks stand beside it in bench_test.go:

	go test -bench . ./bench
*/
package main
