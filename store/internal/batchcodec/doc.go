/*
Package batchcodec defines the bytes of a batch, as they stand in a raft log: one byte of version,
then four lists, each after the number of its elements.

	jobs        text  a job, encoded; each that a write has, once, in the order of first use
	conditions  kind  1 byte: 0 an allocation, 1 a node, 2 a job, 3 an evaluation, 4 a prefix
	            ID                 of kind 0
	            variant  1 byte    of the others: a lists.Variant
	            text               of the others: the name or the prefix
	            index    8 bytes   big endian
	            faults of conditions follow the conditions
	writes      kind  1 byte, from 1: upsert, client, event, client status, desired status, delete
	            ID
	            job      number    of an upsert: 0 for none, else its place in jobs, from 1
	            next     1 byte    of an upsert: 0, or 1 and an ID
	            text               of an upsert: the scheduler's part, encoded
	            text               of an upsert and a client: the client's part, encoded
	            text               of an event: a client's part with that event, task and state alone
	            text, text         of a status: the status and its description
	faults      kind  1 byte       bit 0: schema.ErrInvalid, bit 1: schema.ErrInvalidID
	            text               the message

An ID has 16 bytes. A number is a varint as in encoding/binary. A text is a number, its length, and
the bytes. Jobs and parts are MessagePack, as package schema encodes them for the file: [Append]
copies the bytes that the batch has, and encodes events alone. Everything else about a write is
derived from these bytes, so no two fields of a batch can contradict each other.

The hard idea: a batch has one encoding. So there is one form of each number, prefix and ID, jobs
are numbered as they are used, and encoded parts are encoded again and compared. [Decode] refuses
all other bytes. It checks the shape and not the content: the rules of Validate may differ between
releases, and the replicas of a store must agree. A write or a condition that was refused when it
was added is a fault. It has its message and its kind, and refuses the batch on every replica alike.

A release that adds a field to the bytes, also within a part, raises the version of those batches
that use it, and reads all earlier versions. So a node of an older release refuses a field that it
would lose.

Invariants:

  - Append of a decoded batch returns the bytes that were decoded.
  - Decode accepts any bytes and never panics. It allocates at most 30 times the length of data, beside
    the parts: they are decoded one after the other, in memory that is bounded as for a file, and
    forgotten.
  - A decoded batch shares no memory with data.

Nothing here blocks or keeps state.
*/
package batchcodec
