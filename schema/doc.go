/*
Package schema has the types that the store keeps, their rules and their two encodings. An
[Allocation] is the allocation of the documented /v1/allocation endpoint, with all fields
inside it under the documented names. [TaskState], with its [EventRing], is its most often
changed part. [ID] is an allocation's ID as 16 bytes. The package knows nothing of files,
indexes or waits.

# Owners

The scheduler and the client write to the same allocation. Each field has one owner, see
[Allocation]. [Codec] encodes the fields of each owner as a part of their own, so that the
store can replace one part without decoding the other.

A stored value is never changed in place. So values may share memory, and the result of
[RecordTaskEvent] shares all that it does not change. [Allocation.Clone] makes a copy that may
be changed.

# JSON

The JSON is that of the endpoint's documentation, in the same order of keys. Integers are
written as integers, and nil lists and maps as null. Fields that the documented sample lacks
are written only if they are set. On input, null, absent and empty are the same; an integral
float such as 1e+10 is an integer, exactly; unknown keys are ignored. An error is a
[JSONError]. All of this holds for an Allocation; a Job by itself is decoded by encoding/json.

A task's Config is free-form and may nest 64 levels deep. Its integers become int64, or uint64
above that range; other numbers, and integers beyond 64 bits, become float64. Inside it, empty
lists and maps stay empty.

# MessagePack

In files, and in an EventRing, a struct is a MessagePack array of its fields. The encoding is
canonical: equal content is equal bytes, so stored bytes can be compared and hashed. It is
written and read by hand, see store/design/0001.

New fields are only added at the end of their array. A reader takes missing fields as zero and
skips unknown ones, so files can be read across versions in both directions. The bytes in
testdata/golden hold the format fixed.

# Caveats

Strings are kept byte for byte, but JSON replaces invalid UTF-8. JSON does not tell 1.0 from 1,
so an integral float64 in a Config comes back as an integer. Decoding JSON may need some
hundred times the memory of the text, for a list of empty objects: bound the length of a text
from a stranger.
*/
package schema
