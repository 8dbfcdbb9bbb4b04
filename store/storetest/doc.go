/*
Package storetest helps to test programs that use a store, and other implementations of its reads.

[Open] returns a store for a test, and [Mock] an allocation to put into it:

	func TestPlacement(t *testing.T) {
		s := storetest.Open(t) // checked and closed at the end of the test
		a := storetest.Mock(storetest.OnNode("node1"), storetest.Running)
		if _, err := s.Upsert(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		...
	}

# Readers

[TestReader] tests implementations of [Reader]: the store itself, a client of its HTTP endpoint, a cache in
front of it. As testing/fstest does for file systems, it returns an error that names each broken rule. The
rules are those of package store's documentation.

A Reader is tested together with its store: the suite writes to the store and reads from the Reader.
Lists and the feed are tested if the Reader implements [Lister] and [Feed].

The suite places allocations with random IDs of its own and leaves some of them behind. It waits in
real time, for less than a second in all.
*/
package storetest
