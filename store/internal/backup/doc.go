/*
Package backup writes the log of a state as a stream, and builds the file of a state from a stream. The
bytes of a stream are those of package backupstream.

[Content] is the content of one backup; its Write copies the log. [Build] writes a stream of any
bytes into a [logfile.Successor], and [Load] loads a state from that file. [ReadHead] reads the
indexes of a stream and leaves the rest alone. [MayFollow] compares a stream with the state that it
is to replace. Package store uses them for backups, restores, and replicas that catch up.

The hard idea: a stream is proved by numbers, not by trust. Write adds up the records that it
copies, and compares with the sum of the commit at that index: a page that is out of date does not
get into a backup. Build adds up the records that arrive, compares with the numbers at the end, and
decodes them meanwhile; Load reads the file again, as Open does. So the file is whole before it takes
the place of another.

Invariants:

  - Write gives every record up to the index once, and nothing after it. The caller keeps compaction
    from removing records meanwhile; otherwise a stream could have an insert and lack its tombstone.
  - Neither Write nor Build holds a transaction or a lock while the other end takes or gives bytes.
  - No stream makes Build panic or allocate more than its bytes. After an error the successor is of
    no use.

A Content may be written by several goroutines. The rest belongs to one goroutine at a time.
*/
package backup
