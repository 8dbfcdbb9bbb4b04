/*
Package lists keeps the lists of allocations: one of all, and one for each node, job and evaluation.
It knows IDs, names and indexes, and nothing of versions or files.

An allocation has a [Place]: the numbers of the lists that it is in. A [Change] is one write to an
allocation, with its place before and after. [Lists.Apply] brings the lists up to date. A [Cursor]
pages through the members of a list as of an index. [Lists.Index] tells when a list changed last, and
[Lists.Since] which members have left it since an index.

A list has variants: with or without the allocations that are terminal, and with or without the
changes that only a client reported. Each variant has an index of its own, that of the last change
that affected it.

The hard idea: a list holds its present members, and beside them a history of departures in the
order of their indexes. Each member of the past is a member now, or left later and is in the history.
So a snapshot needs no copy of a list, a reader that has been away is told of the departures, and a
list without departures takes no memory but that of its members. Terminal members are kept apart, so
a reader without interest in them never passes them.

Invariants:

  - The sets of a list have its members as of the last change that was applied, each once.
  - The history has every departure above the floor, in the order of the indexes.
  - An index of a variant is that of its newest change; a change at or below the floor may be
    forgotten, and counts as one at the floor.
  - A number stands for one list as long as an allocation has it or the history of the list is
    not empty.

Locks: Lists has one, a leaf, held for one change, or for a copy of one page or of departures. One goroutine changes the
lists; any number read.
*/
package lists
