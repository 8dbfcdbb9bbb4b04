/*
Package histories kills a store that many clients work on, opens it again, and
decides from the clients' logs whether anything was lost.

A child process opens the store and runs clients: writers, lookups, waits on one
allocation and on several, snapshots, a feed and compaction. It is killed at a random
moment, without warning, also while it opens or closes the store, and the next child
opens the same file. Every call and its reply is a line of a log, which the kill leaves
alone. A call without a reply was in flight, so its outcome is unknown. The last child
ends by itself.

There are three histories. Two checkers read the logs of the history of allocations. The
first uses the index in every reply: it puts all batches in the order of their indexes,
applies them to a model, and compares each reply with the model at the indexes that
were possible at the time. The second, porcupine, ignores indexes. It looks for any
order of the calls on one allocation that explains their replies.

The history of lists has writers that place, move, end, revive and delete allocations,
and for each list a reader that waits above the index that it was told last, also
across a kill. Followers resume in the same way. The feed gives the lists at every
index. Each result must be the list at an index that was possible at its time,
and the reader's picture, which comes from its results alone, must be the list after
each of them. A follower must be given every change, once and in order, and again only
where it resumes before it.

The history of nodes has schedulers that fill nodes of a fixed capacity. Each reads a
node on a snapshot and places there if the node has not changed since. Clients
end and revive allocations beside them. No node may be over its capacity at any index,
every condition must have held at its turn, and every conflict must have a cause. For
porcupine a node is a register that is compared and written, without indexes.

The package has only tests. It is a module of its own because of porcupine.
HISTORIES_RUNS is the number of children, HISTORIES_SEED the seed of all choices:

	HISTORIES_RUNS=60 go test -count=1 -timeout 30m ./...
*/
package histories
