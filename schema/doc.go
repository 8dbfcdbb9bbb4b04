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
are written only if they are set. On input, null, absent and empty are the same, and an integral
float such as 1e+10 is an integer, exactly. An error is a [JSONError]. All types have this JSON,
also by themselves.

Nothing is dropped. A key that is not documented is kept in the Extra of its struct, with its
value as it was written, numbers to the last digit; white space and the escapes of strings aside.
The keys DeploymentStatus and NetworkStatus of an allocation, which its client reports, are kept
in ClientExtra. Extra keys are written again after the documented ones. In Go their values are
JSON texts in the canonical form of extra.go; any JSON is valid on input.

Ambiguous JSON is refused: a key given twice, and a documented key also if the two differ in
case; null in a documented list; text that is not UTF-8. [Allocation.Validate] refuses the same
from Go.

A task's Config is free-form and may nest 64 levels deep. Its numbers become int64, or uint64
above that range, or a float64 whose shortest decimal is the same number, or a json.Number.
Inside it, empty lists and maps stay empty.

# MessagePack

In files, and in an EventRing, a struct is a MessagePack array of its fields. The encoding is
canonical: equal content is equal bytes, so stored bytes can be compared and hashed. It is
written and read by hand, see store/design/0001.

New fields are only added at the end of their array. A reader takes missing fields as zero and
skips unknown ones, so files can be read across versions in both directions. The bytes in
testdata/golden hold the format fixed.

# Caveats

JSON does not tell 1.0 from 1, so an integral float64 in a Config comes back as an integer.
Decoding JSON may need some hundred times the memory of the text, for a list of empty objects:
bound the length of a text from a stranger.
*/
package schema
