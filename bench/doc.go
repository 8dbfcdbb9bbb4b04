/*
Bench runs the main job of a store and checks it:

	go run ./bench [-allocs n] [-readers n] [-writers n] [-dir path] [-seed n] [-json]

It places allocations, looks them up, parks blocking readers, reports the events of
all tasks, and deletes a tenth of the allocations. Then schedulers place more, on nodes
whose agents wait for their lists and report as they start and end the tasks. At last
it closes and reopens the store. It
compares everything in the file with the state that it expects. The first difference
ends it with exit status 1:

  - a field of an allocation, or an event of its task;
  - a deletion that a wait does not report;
  - a reader that wakes for anything but the first change of its allocation;
  - a list with too few or too many allocations;
  - an agent that misses a placement or a departure on its node, sees one of another
    node, or sees a change twice;
  - a node over its capacity;
  - a feed that skips an index, or that does not lead to the content of the store.

It prints one row for each phase, and then the heap, the file size and the time to
open the store, each per allocation. The row "open" counts live allocations. The row
"replay the feed" counts changes above the compaction floor. The rate of client
updates includes the time to make them; their latencies do not.

Below this directory:

	scale      two million allocations and a million blocked readers in one process
	soak       updates at full rate for minutes, with and without compaction
	peers      the same work on go-memdb, statedb, Pebble, Badger and bbolt; its own module
	results    the kept results of all of them
	internal   the generated data, the report, and the measuring of the machine

The benchmarks of the hot paths are in bench_test.go; `.ci/gate` compares two
revisions with them:

	go test -bench . ./bench
*/
package main
