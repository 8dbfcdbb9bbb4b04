/*
Package membership finds the effect of each record of the log on a list: whether its allocation left
the list, and whether it arrived or changed in it.

The hard idea: the lists know the newest members alone, and a reader of the log may be far behind.
But a record names the version that it replaces, and the records of both versions are in the file.
The name and the statuses of a version decide, so a [Reader] looks at these and decodes nothing
else. While the newest version in the table has the same part, the table tells them. Otherwise the
Reader reads the record that has the part.

If the version before is damaged, the history of the list tells the effect. So a reader passes the
deletion of a quarantined allocation. If the version after is damaged, it may be in the list, and the
effect is unknown.

Invariants:

  - A Reader keeps nothing from one record to the next.
  - At most five records are read beside each one of the log.
  - The effects are those by which the lists compute their indexes and their histories.

A Reader has no lock, and one goroutine uses it at a time. The caller opens the transactions, and keeps
compaction from removing the records of the versions at its position and above.

Tried and dropped: to take the records of members, and of those that left above the position by the
history of the list. All departures were copied for each step, and looked through again.
*/
package membership
