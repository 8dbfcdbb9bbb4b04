package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"allocstore/schema"
	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/state"
)

// Check verifies the file and the memory. It yields every fault in the memory and every
// quarantined record and job (see ErrCorrupt). Any other fault in the file ends the check. No
// error means: the structure of all pages, the checksums of all records and jobs, their
// order, their references and the sum of all content are right; every allocation can be
// decoded; and the table, the lists, the counts and the digest are those that Open would load from the
// file.
//
// It reads the file a second time as Open does, which takes as long and as much memory, and
// decodes every allocation. Reads, waits and writes go on meanwhile; their changes are left
// out. While it reads it holds a read transaction, so freed pages are not reused, and
// compaction waits until it is done. The faults come at the end, when nothing is held any
// more: at most 10,000 of them.
//
// A fault is ErrCorrupt and names the place and the broken rule. The last error may also be
// ctx's, ErrClosed, ErrMutated, or that of reading the file.
func (s *Store) Check(ctx context.Context) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, err := range s.faults(ctx) {
			if !yield(fmt.Errorf("check %s: %w", s.state.Load().File.Path(), err)) {
				return
			}
		}
	}
}

// faults returns the faults for Check to yield. The caller of Check may use the store between two
// faults, since nothing is held any more.
func (s *Store) faults(ctx context.Context) []error {
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	c := check{Store: s}
	if err := c.run(ctx); err != nil {
		c.found = append(c.found, causeOf(ctx, err))
	}
	return c.found
}

// maxFaults bounds the faults of a check.
const maxFaults = 10_000

// errTooMany ends a check that has found maxFaults.
var errTooMany = fmt.Errorf("%w: and more: these are the first %d faults", ErrCorrupt, maxFaults)

// A check compares the store's state with one that it loads from the file.
type check struct {
	*Store
	used, loaded *state.State
	found        []error
}

// note notes a fault. It returns errTooMany if there are enough.
func (c *check) note(fault error) error {
	if c.found = append(c.found, fault); len(c.found) < maxFaults {
		return nil
	}
	return errTooMany
}

// run returns an error if it did not come to the end.
func (c *check) run(ctx context.Context) error {
	if c.closed.Load() {
		return ErrClosed
	}
	if err := c.maintenance.lock(ctx); err != nil {
		return err
	}
	defer c.maintenance.unlock()
	var at uint64
	c.used, at = c.enter()
	defer c.readers.Leave(at)
	for _, step := range []func(context.Context) error{c.load, c.waitPublished, c.compare, c.compareCounts, c.decodeEach} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if changed := c.mutations.Found(); changed != nil {
		return c.note(changed)
	}
	return nil
}

func (c *check) compare(ctx context.Context) error { return c.used.Compare(ctx, c.loaded, c.note) }

func (c *check) decodeEach(ctx context.Context) error {
	return c.loaded.DecodeEach(ctx, func(id schema.ID, err error) error {
		return c.note(fmt.Errorf("%w: allocation %v: %w", ErrCorrupt, id, err))
	})
}

// load loads a state from the file as it is now.
func (c *check) load(ctx context.Context) error {
	err := c.used.File.ViewFrozen(ctx, func(f *boltfile.File) (err error) {
		c.loaded, err = state.Load(ctx, f, c.opts.state())
		return err
	})
	if err != nil {
		return err
	}
	c.loaded.File = c.used.File
	return nil
}

// waitPublished waits until the content of the file is published. After a failed commit it
// never is.
func (c *check) waitPublished(ctx context.Context) error {
	for c.used.Index.Last() < c.loaded.Index.Last() && c.failed() == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// compareCounts compares the counts and the digest, if nothing was written since the state was loaded.
func (c *check) compareCounts(context.Context) error {
	var differing []error
	err := c.committer.barrier(func() error {
		if c.used.Index.Last() == c.loaded.Index.Last() {
			differing = c.used.Differing(c.loaded)
		}
		return nil
	})
	if err != nil {
		return nil // failed or closed meanwhile: the counts may be of half a group
	}
	for _, fault := range differing {
		if err := c.note(fault); err != nil {
			return err
		}
	}
	return nil
}
