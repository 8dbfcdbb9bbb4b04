/*
Package storetest checks that something reads like a store: the store itself, a
client of its HTTP endpoint, a cache before it. It does what testing/fstest does
for file systems: [TestFront] takes the front and returns an error that names each
rule that it breaks. The rules are those of the store's own documentation.

A front is tested together with the store behind it. The suite writes to the store
and reads from the front; what a front can do beyond looking up and waiting is
tested if it has the methods, see [Lister] and [Feed].

The suite places allocations with IDs of its own, leaves some of them behind, and
waits in real time, for well below a second in all.
*/
package storetest
