package state

import (
	"sync"

	"allocstore/schema"
	"allocstore/store/internal/record"
)

// A digest is the sum of the numbers of all live allocations at the last index; see
// record.Visible. A deleted allocation has none, so it does not matter which deletions are
// remembered.
//
// Quarantined allocations are in it with what is left of them: a damaged part counts as empty, and
// a damaged newest record as one whose NextAllocation is all zeros. A job counts by its hash, damaged
// or not.
type digest struct {
	mu struct {
		sync.Mutex // guards sum, and Index while both change; a leaf lock, held for two assignments
		sum        uint64
	}
}

// Digest returns the last index and the digest of the content at it. It waits at most until the
// committer has stored two numbers.
func (st *State) Digest() (index, digest uint64) {
	d := &st.digest
	d.mu.Lock()
	defer d.mu.Unlock()
	return st.Index.Last(), d.mu.sum
}

// PublishIndex makes index the last one, and adds change to the digest.
func (st *State) PublishIndex(index, change uint64) {
	d := &st.digest
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.sum += change
	st.Index.Publish(index)
}

// DigestNumber returns the number in a digest of allocation id at the version c, which is 0 for a
// tombstone. next is its NextAllocation, if it has one that can be read.
func (c *Content) DigestNumber(id, next *schema.ID) uint64 {
	if c.Tombstone() {
		return 0
	}
	v := record.Visible{
		ID: *id, HasNext: c.HasNext(), Job: c.Job.Hash, Created: c.Created, Scheduled: c.Scheduled(), Modified: c.Modified(),
		SchedSum: c.SchedSum, ClientSum: c.ClientSum,
	}
	if v.HasNext {
		v.Next = *next
	}
	return v.DigestNumber()
}
