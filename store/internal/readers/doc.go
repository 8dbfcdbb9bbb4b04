/*
Package readers knows the readers of a store: the indexes that they read at, and the feeds that
wait for the next commit or for an index.

A [Set] has the index of every open snapshot, running list, feed and read of the file. Compaction
and the lists ask it for the oldest one, and forget the past up to there. A [Tail] wakes all feeds
that have read everything. A [Gate] wakes the goroutines that wait for the applied index, each when
it is reached.

The hard idea: an index must not be forgotten between the moment at which a reader chooses it and
the moment at which the reader is known. Enter therefore chooses it under the lock, and the caller
of Oldest has read the last index before. A reader that enters later chooses an index that is not
below that one.

Invariants:

  - The result of Oldest is at or below the index of every reader, and of every later one.
  - WithOldest's effect comes before every later Enter.
  - A commit that is published after the call of After closes the channel that After returned.
  - A Raise after the return of Enter closes the channel of every wait that it reaches, and no other.

Locks: all types have a lock of their own, a leaf. Nothing here blocks, apart from the
functions that Enter and WithOldest call.
*/
package readers
