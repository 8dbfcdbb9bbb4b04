/*
Package lists holds which allocations are in which list: all of them, and those of each node,
job and evaluation. It knows IDs, names and indexes, and nothing of versions or files.

A [Change] is the effect of one write on an allocation: the [Place] that it had and the one that
it has. [Lists.Apply] brings the lists up to date. A [Cursor] pages through the members of a list
as of an index. [Lists.Index] tells when a list changed last, and [Lists.Since] which members
have left it since.

A list has variants: with or without the allocations that are terminal, and with or without the
changes that only a client reported. Each variant has an index of its own.

The hard idea: a list holds its members as they are now, and beside them a history of departures
in the order of their indexes. The past is the present and the history: the members at an index
are among those of now and those that left after it. So a snapshot needs no copy of a list, a
reader that has been away is told of the departures, and a list without departures costs its members
alone.
Terminal members are kept apart, so a list without them never touches them.

Invariants:

  - The sets of a list have its members as of the last change that was applied, each once.
  - The history has every departure above the floor, in the order of the indexes.
  - An index of a variant is that of its newest change; a change at or below the floor may be
    forgotten, and counts as one at the floor.
  - A number stands for one list as long as an allocation has it or the history of the list is
    not empty.

Locks: Lists has one, a leaf, held for one change or one page. One goroutine changes the
lists; any number read.
*/
package lists
