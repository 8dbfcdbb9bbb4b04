/*
Package storetest tests implementations of [Reader]: the store itself, a client of its HTTP endpoint,
a cache in front of it. Like testing/fstest for file systems, it has one function, [TestReader], which
returns an error that names each broken rule. The rules are those of package store's documentation.

A Reader is tested together with its store: the suite writes to the store and reads from the Reader.
Lists and the feed are tested if the Reader implements [Lister] and [Feed].

The suite places allocations with random IDs of its own and leaves some of them behind. It waits in
real time, for less than a second in all.
*/
package storetest
