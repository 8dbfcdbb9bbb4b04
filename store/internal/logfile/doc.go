/*
Package logfile keeps a store's one file: a bbolt database with the log of records, the
jobs and a manifest. bbolt is not visible above this package.

A [File] is opened in two steps. [Open] locks the path and the file, and creates a
missing file durably. The caller then verifies the content by plain reads of
[File.Raw]; see package boltfile. Only then does [File.Map] let bbolt map it. Reads and
writes go through a [Tx], which lives as long as the function that was given it: a read
transaction that is held keeps bbolt from reusing pages, and the file grows without bound
(design/0005). A [Successor] is a new file that will replace the store's.

The hard idea is the commit with one sync (design/0009). bbolt syncs the pages of a
transaction before it writes the meta page that leads to them. Here both go to the disk
together, so a power cut may leave the meta page without its pages. The content sum in
the [Manifest] includes the transaction's ID, so Open detects this and rolls the file back to
the transaction before. No later transaction can have overwritten the pages of that one.

Invariants:

  - A file appears under its name only when all of it is durable.
  - After a failed commit the content of the disk is unknown, and nothing is written
    until the file was opened again.
  - The results of a Tx alias the mapped file, and are valid until the Tx ends.
  - A panic or a memory fault in bbolt becomes an ErrCorrupt with the path.

[File.View] reads, from any goroutine. [File.Update] commits. [File.Settle], at Close, leaves
the list of free pages for the next opening. Update and Settle belong
to one goroutine, the committer, as do TakePlace, SwapInto and InheritFrom of a Successor; its
other methods belong to the goroutine that fills it. All of them block for
the disk.
*/
package logfile
