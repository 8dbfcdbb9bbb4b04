/*
Package histories kills a store that many clients work on, opens it again, and
decides from what the clients were told whether anything was lost.

A child process opens the store and runs clients: writers, lookups, waits on one
allocation and on several, snapshots, a feed and compaction. It is killed at a
random moment, without warning, be it while it opens the store or closes it, and the
next one opens the same file. Every call
and its reply is a line of a log that the kill leaves alone; a call without a reply
was in flight, and nobody knows what became of it. The last child ends by itself.

Two checkers read the logs. The first uses that every reply carries an index: it
puts all batches in the order of their indexes, applies them to a model, and asks
of each reply whether it is the model's at an index that was possible at the time.
The second, porcupine, knows nothing of indexes and looks for any order at all that
explains what was seen of one allocation.

There is no code here but tests. They are a module of their own for porcupine's sake.
HISTORIES_RUNS and HISTORIES_SEED say how many children there are and what the
choices come from:

	HISTORIES_RUNS=60 go test -count=1 -timeout 30m ./...
*/
package histories
