/*
Package mutation detects changes of allocations that were handed out. These are shared by all
readers, and read-only.

A [Detector] keeps a fingerprint of the content of the latest allocations that were handed
out, and the call stacks of the first and the latest receiver of each. [Detector.HandOut] and
[Detector.Found] compare the fingerprints.

The hard idea: the error names the caller's code and not the store's. A receiver is a call stack,
whose first function outside package store and the packages below store/internal is looked up
only when an error is printed.

Invariants:

  - A change is reported once.
  - An allocation that is kept stays in memory, so no other one has its address.
  - The detector never changes an allocation, and a changed one makes no method panic.

Methods may be called from any goroutine. Their lock is a leaf. None of them blocks.
*/
package mutation
