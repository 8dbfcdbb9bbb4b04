/*
Package state holds the content of one file in memory.

A [State] is the file and that content: the [Table] maps each ID to its newest
[Version], the [Lists] map nodes, jobs and evaluations to IDs, [Jobs] map hashes to jobs,
and a [Quarantine] has the damage. [Open] and [Load] build a state from a file:
load.go has the steps, scan.go reads the records, rebuild.go follows the versions. The
committer of package store then keeps the state in step with the file, by [State.Publish].
[State.Compare] proves that memory and file agree.

The hard idea: a restore exchanges one pointer, that of the store to its State. A reader loads
it once and finds index, table, lists, jobs and file of the same content in it,
whatever is exchanged meanwhile. The pointer costs a lookup no extra load, because the table is
a value inside the state.

Invariants:

  - The table has every ID that the file remembers, with its newest published version.
  - A list has every ID that belongs to it at an index that is still read, and may have more.
    Its reader asks the version at its index whether an ID belongs to it.
  - Index is raised only after the table and the lists have everything up to it.
  - A version's content never changes. A decoded allocation is never changed.
  - The digest is the sum of the numbers of the live allocations at Index. A change has the difference
    that it makes, so a version needs no number of its own.
  - A record that the newest version or an open reader needs is in the file.

Locks: those of Lists, Jobs, LogSize, Quarantine, the digest and the table's shards are leaves, held
for memory accesses only. The evictor's comes before those of the shards. Lookups in the table take
no lock. Decode, AsOf, Assemble, VersionAt, DecodeEach and loading read the file.

The allocations, jobs and versions that methods return are shared and must not be changed.
Lists of IDs are copies.
*/
package state
