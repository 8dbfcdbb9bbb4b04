package store

// Applied is the result of a batch.
type Applied struct {
	// Index is the batch's own index, or the store's last one if the batch changed nothing.
	// In both cases the content at this index includes the batch.
	Index uint64

	// Unknown has the IDs in client's writes, events and deletions that the store did not
	// hold, in lower case, each once, in the order of the batch. These writes were skipped.
	Unknown []string

	// Unchanged is the number of writes, unknown ones aside, to allocations that the batch
	// leaves as they were.
	Unchanged int
}

// A request is a batch on its way through the committer.
type request struct {
	batch *Batch
	at    *uint64 // nil: the next index
	own   Batch   // batch points to it in the one-batch shorthands

	// answered receives the answer, unless the request is withdrawn.
	answered chan answer
}

// An answer is what Apply returns.
type answer struct {
	applied Applied
	err     error
}

func newRequest() any { return &request{answered: make(chan answer, 1)} }
