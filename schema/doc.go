/*
Package schema is what the store keeps: the allocation of the documented
/v1/allocation endpoint and all inside it, under the documented names, with its
rules and its two encodings. It knows nothing of files, indexes or waits.

# What it is

[Allocation] is the type; [TaskState], with its [EventRing], is the part of it
that changes most. [ID] is an allocation's ID as 16 bytes.

# Ownership

Scheduler and client write to the same allocation. Who may write what is said by
pure functions: [Inserted], [SchedulerUpdate], [ClientUpdate], [RecordTaskEvent]
and [Superseded] turn a stored allocation and a write into the next one. They copy
only what they change; the rest is shared, which is safe because whatever is stored
is never changed in place. [Allocation.Clone] is for those who want to change a
copy.

The store calls RecordTaskEvent alone of these. For the other writes it need not
decode what is stored, so it keeps the same rules on encoded parts, which
[AppendScheduler] and [AppendClient] divide by owner.

# JSON

The JSON is that of the endpoint's documentation, key by key and in its order.
Integers are written as integers, nil lists and maps as null, and fields beyond
the documented sample only when set. On input null, absent and empty are the
same; integral floats such as 1e+10 are integers, exactly; unknown keys are
ignored; an error is a [JSONError], which names the offset and the field. All
this holds for an [Allocation], alone or inside something else; a Job or a
TaskState that is decoded by itself is decoded as encoding/json does it.

A task's Config is free-form. Its integers become int64 (uint64 above that),
whatever else is a number float64; an integer that does not fit 64 bits is one
of the latter. Empty lists and maps inside it stay what they are. It may nest 64
levels deep.

# MessagePack

On the disk, and in [EventRing], values are MessagePack arrays of their fields.
The encoding is canonical: equal content is equal bytes, so that content can be
compared and hashed as it is stored. It is written and read by hand, see
store/design/0001.

# Compatibility

Fields are only ever added at the end of their array. A reader takes missing
ones as zero and skips those it does not know, so that files can be read across
versions in both directions. The bytes in testdata/golden keep it so.

# Caveats

What is decoded shares memory with the string that it was decoded from, unless
[Shared] decodes it. What the
store hands out is shared by all readers and must not be changed. Strings are
kept byte for byte; JSON replaces what is not UTF-8, and does not tell 1.0 from 1:
a float64 in a Config that is integral comes back from it as an integer.
Decoding JSON may take some hundred times the memory of the text, where that is
a list of empty objects, so whoever reads it from strangers bounds its length.
*/
package schema
