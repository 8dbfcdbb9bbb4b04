/*
Package histories kills a store that many clients work on, opens it again, and
decides from the clients' logs whether anything was lost.

A child process opens the store and runs clients: writers, lookups, waits on one
allocation and on several, snapshots, a feed and compaction. It is killed at a random
moment, without warning, also while it opens or closes the store, and the next child
opens the same file. Every call and its reply is a line of a log, which the kill leaves
alone. A call without a reply was in flight, so its outcome is unknown. The last child
ends by itself.

Two checkers read the logs. The first uses the index in every reply: it puts all
batches in the order of their indexes, applies them to a model, and compares each reply
with the model at the indexes that were possible at the time. The second, porcupine,
ignores indexes. It looks for any order of the calls on one allocation that explains
their replies.

The package has only tests. It is a module of its own because of porcupine.
HISTORIES_RUNS is the number of children, HISTORIES_SEED the seed of all choices:

	HISTORIES_RUNS=60 go test -count=1 -timeout 30m ./...
*/
package histories
