/*
Package compaction removes superseded records from the log of a state, and rewrites its file to the
size of its content.

A [Sweeper] makes passes over the log. Its window says which records are dead, and [Removals] take
them out in the transactions of the committer. [Rewrite] copies the log into a new file, which
replaces the old one. [Wake] wakes the goroutine that makes the passes. The package does not know
the store: an [Env] has the functions of the committer and of the rest.

The hard idea: a pass finds the records that are dead at a floor, and no reader may ever need the
past below it again. The floor rises under the lock of the readers, and is not above any of them. A
record at or below the floor is then dead for good, if the version at the floor does not need it: no
later version refers to a record of the past that was not needed at the floor. A tombstone is the
exception. The ID may be placed again after the search, and the new record names the tombstone. So
Apply looks at the newest version once more, in the transaction that removes it.

Invariants:

  - A record that a version at the floor, or any later one, needs is in the file. All records keep
    their keys.
  - The floor of the state never falls, and is never above a reader.
  - The floor is in the file before, or with, the first record that is missing because of it.
  - The content sum in the manifest is that of the records in the file.
  - A rewrite copies no content other than the committed one, and loses none of it but jobs that no
    record names.

Locks: the package has no lock of its own. Sweep, Reset and Rewrite are called by the holder of the
store's maintenance lock, so one pass or rewrite runs at a time. The committer alone calls Apply,
Committed and the function that a rewrite gives to its barrier; anyone may call Pause. Raising the
floor takes the lock of the readers, which is a leaf.
*/
package compaction
