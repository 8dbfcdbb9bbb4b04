/*
Package backupstream defines the bytes of a backup: a stream of frames, after eight bytes of
magic and four of version.

	kind     1 byte
	length   4 bytes  of the payload
	payload
	checksum 4 bytes  CRC-32C of all of that

The first frame is the head: the index of the backup. The records up to it follow, each a
key and a value as in the log, in the order of their keys, and each job before the first
record that names it. A damaged job has a frame of its own kind, with its hash. The
last frame is the foot, with the floor, the mark of the last restore, the numbers of records
and jobs, and the sum of the manifest.

[AppendMagic], [AppendHead], [AppendFrame] and [AppendFoot] encode. A [Reader] decodes a stream of
any bytes, which may come from a network or a damaged disk.

The hard idea: the length of a frame is read before its checksum can be verified. A Reader
refuses a length above its bound, and allocates no more than the bytes that arrive. A
checksum says nothing about missing frames, so a stream without a foot was cut short, and the
numbers and the sum in the foot reveal frames that were left out.

Invariants:

  - Every error about the content of a stream is an ErrCorrupt with its place, or an
    ErrFormatVersion. An error of reading is returned as it is.
  - Only frames with the right checksum are returned. The order and the content of the frames is
    for the caller to verify.

A Reader belongs to one goroutine. It blocks for as long as its source does.
*/
package backupstream
