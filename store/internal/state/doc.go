/*
Package state holds one store's content in memory, as its file has it.

A [State] is one file and its content in memory: the [Table] maps each ID to its newest
[Version], the [Lists] map nodes, jobs and evaluations to IDs, [Jobs] map hashes to jobs,
and a [Quarantine] has the damage. [Open] and [Load] build a state from a file:
load.go has the steps, scan.go reads the records, rebuild.go follows the versions. The
committer of package store then keeps the state in step with the file, by [State.Publish].
[State.Compare] proves that memory and file agree.

The hard idea is that one pointer is all there is to exchange. A reader loads the store's
*State once and finds index, table, lists, jobs and file of the same content in it,
whatever is exchanged meanwhile. A lookup loads no more pointers than without it, because
the table is a value inside the state.

Invariants:

  - The table has every ID that the file remembers, with its newest published version.
  - Every list has at least the IDs that belong to it at any index that is still read.
  - Index is raised only after the table and the lists have everything up to it.
  - A version's content never changes. A decoded allocation is never changed.
  - A record that the newest version or an open reader needs is in the file.

Locks: those of Lists, Jobs, LogSize, Quarantine and the table's shards are leaves, held
for a few memory accesses. The evictor's comes before those of the shards. Lookups in the
table take no lock. Only Decode, AsOf, Assemble and loading read the file.

What the methods return is shared and must not be changed, except for copies of IDs.
*/
package state
