package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store/internal/boltfile"
)

// Check verifies the file and the memory, and yields every fault that it finds in
// the memory, every record and job in the file that is quarantined (see ErrCorrupt), or
// the first other fault in the file. No error means that there is none: the
// structure of all pages and the checksums of all records and jobs, their order, what
// each refers to, and the sum of all of it are right; every allocation can be decoded;
// and the table, the lists and the counts are what Open would make of the file.
//
// It reads the file a second time, as Open does, which takes as long and as much
// memory, and decodes what is in it. Reads, waits and writes go on meanwhile, and
// what they change is left out. It holds a read transaction of the file while it reads,
// so that pages which become free meanwhile are not used again, and compaction waits
// until it is over. The faults come when all is done, and nothing is held any more: at
// most 10,000 of them.
//
// A fault is ErrCorrupt and says where it is and which rule is broken. The last error
// may also be ctx's, ErrClosed, or what reading the file returned.
func (s *Store) Check(ctx context.Context) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, err := range s.faults(ctx) {
			if !yield(fmt.Errorf("allocstore: check %s: %w", s.file.path, err)) {
				return
			}
		}
	}
}

// faults returns what Check yields, once nothing is held any more that would keep the
// caller from using the store.
func (s *Store) faults(ctx context.Context) []error {
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	c := check{s: s}
	if err := c.run(ctx); err != nil {
		c.found = append(c.found, causeOf(ctx, err))
	}
	return c.found
}

// maxFaults is how many faults a check looks for.
const maxFaults = 10_000

// A check compares the store with its twin: a store of which only the memory is
// there, made of the file as it was at one moment.
//
// What has changed since that moment has a version above the twin's last index, and
// is not compared. The check has the sweeper's turn, so nothing is forgotten.
type check struct {
	s, twin *Store
	last    uint64 // the twin's last index
	found   []error
}

// run makes the twin and compares. It returns an error if it did not come to the end.
func (c *check) run(ctx context.Context) error {
	if c.s.closed.Load() {
		return ErrClosed
	}
	if err := c.s.sweeper.takeTurn(ctx); err != nil {
		return err
	}
	defer c.s.sweeper.endTurn()
	reader := c.s.readers.enter(c.s.index.Last)
	defer c.s.leave(reader)
	if err := c.makeTwin(ctx); err != nil {
		return err
	}
	if err := c.published(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.damaged, c.versions, c.unknown, c.lists, c.counts, c.contents, c.handedOut} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// makeTwin reads the file as the transaction under which it does so finds it: its
// pages stay what they are until that has ended.
func (c *check) makeTwin(ctx context.Context) (err error) {
	defer contain(c.s.file.path, catchFaults(), &err)
	db := c.s.file.db.Load()
	for again := true; again && err == nil; {
		err = db.View(func(tx *bbolt.Tx) error {
			f, err := boltfile.Open(db.f)
			if err != nil {
				return damaged(err)
			}
			if again = f.Transaction() != uint64(tx.ID()); again { // one was committed in between
				return ctx.Err()
			}
			c.twin = newStore(c.s.opts)
			c.twin.end()
			return damaged(c.twin.loadBuckets(ctx, f))
		})
	}
	if err == nil {
		c.last = c.twin.index.Last()
	}
	return err
}

// published waits until what the file holds can be seen. If the commit that made it
// failed, it never can.
func (c *check) published(ctx context.Context) error {
	for c.s.index.Last() < c.last && c.s.failed() == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// changed reports whether v is newer than the twin, or than what is published of it.
func (c *check) changed(v *version) bool { return v != nil && v.modified() > c.last }

// unpublished reports whether the file has a version that nobody will see, since the
// store has failed in the commit that made it.
func (c *check) unpublished(id *schema.ID) bool {
	v := c.twin.table.get(id)
	return v != nil && v.modified() > c.s.index.Last()
}

// fault notes an ErrCorrupt, as note does.
func (c *check) fault(format string, args ...any) error {
	return c.note(fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...))
}

// note notes what was found, and returns errEnough if there is enough.
func (c *check) note(fault error) error {
	if c.found = append(c.found, fault); len(c.found) < maxFaults {
		return nil
	}
	return errEnough
}

// errEnough ends a check that has found a great many faults.
var errEnough = fmt.Errorf("%w: and more: these are the first %d faults", ErrCorrupt, maxFaults)

// damaged reports what the file has that cannot be read.
func (c *check) damaged(context.Context) error {
	for _, fault := range c.twin.quarantine.faults() {
		if err := c.note(fault); err != nil {
			return err
		}
	}
	return nil
}

// versions compares the table with the file: each ID's newest version.
func (c *check) versions(ctx context.Context) error {
	for id, want := range c.twin.table.all() {
		got := c.s.table.get(&id)
		if c.changed(got) || c.unpublished(&id) || c.twin.quarantine.covers(want) {
			continue
		}
		var err error
		switch {
		case got == nil:
			err = c.fault("allocation %v: in the file at %v, not in the table", id, want.pair().newest())
		case !got.content.equal(&want.content):
			err = c.fault("allocation %v: in the file at %v, in the table at %v, and not the same", id, want.pair().newest(), got.pair().newest())
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unknown looks for versions that the file has not.
func (c *check) unknown(ctx context.Context) error {
	for id, v := range c.s.table.all() {
		if c.changed(v) || c.twin.table.get(&id) != nil {
			continue
		}
		if err := c.fault("allocation %v: in the table at %v, not in the file", id, v.pair().newest()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lists compares the lists, each way: of what the store has beside its twin, only
// what is on its way out, or has changed meanwhile.
func (c *check) lists(ctx context.Context) error {
	err := c.listed(ctx, c.twin.lists, c.s.lists, func(e listed) error {
		return c.fault("allocation %v: not in the list %v", e.id, e)
	})
	if err != nil {
		return err
	}
	return c.listed(ctx, c.s.lists, c.twin.lists, func(e listed) error {
		switch {
		case c.s.lists.leaves(e), !c.s.lists.has(e): // on its way out, or out by now
			return nil
		case c.changed(c.s.table.get(&e.id)): // back since listed asked: the table has that before the lists
			return nil
		}
		return c.fault("allocation %v: in the list %v, where it does not belong", e.id, e)
	})
}

// listed calls missing for what is in a list of these and not of those, changed
// allocations aside.
func (c *check) listed(ctx context.Context, these, those *lists, missing func(listed) error) error {
	buf := make([]schema.ID, 0, pageLen)
	for _, l := range these.names() {
		q := listQuery(l.kind, l.name)
		for more := true; more; {
			page := these.page(buf, &q)
			more = len(page) == pageLen && q.advance(page[pageLen-1])
			for _, id := range page {
				l.id = id
				if those.has(l) || c.changed(c.s.table.get(&id)) || c.unpublished(&id) {
					continue
				}
				if err := missing(l); err != nil {
					return err
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// A count is one number that Stats tells, as the store has it and as its twin has.
type count struct {
	name      string
	got, want int64
}

// counts compares what is counted, if nothing has changed since.
func (c *check) counts(context.Context) error {
	var counts []count
	if c.s.committer.between(func() {
		if c.s.index.Last() == c.last {
			counts = c.counted()
		}
	}) != nil {
		return nil // failed or closed meanwhile: what is counted is not what is published
	}
	for _, n := range counts {
		if n.got != n.want {
			if err := c.fault("%s: %d are counted, the file has %d", n.name, n.got, n.want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *check) counted() []count {
	t, twin := c.s.tally, c.twin.tally
	return []count{
		{"allocations", c.s.counts.allocations.Load(), c.twin.counts.allocations.Load()},
		{"tombstones", c.s.counts.tombstones.Load(), c.twin.counts.tombstones.Load()},
		{"bytes of records", t.log.Load(), twin.log.Load()},
		{"bytes of live records", t.live.Load(), twin.live.Load()},
		{"bytes of jobs", t.jobs.Load(), twin.jobs.Load()},
		{"jobs", int64(c.s.jobs.len()), int64(c.twin.jobs.len())},
		{"quarantined allocations", c.s.counts.quarantined.Load(), c.twin.counts.quarantined.Load()},
	}
}

// contents decodes every allocation.
func (c *check) contents(ctx context.Context) error {
	return c.twin.decodeEach(ctx, c.s.file, func(id schema.ID, err error) error {
		return c.fault("allocation %v: %w", id, err)
	})
}

// handedOut looks whether anybody has changed what was handed out.
func (c *check) handedOut(context.Context) error {
	if c.s.mutations == nil {
		return nil
	}
	if err := c.s.mutations.found(); err != nil {
		return c.note(err)
	}
	return nil
}

// decodeEach decodes and validates every allocation that is not quarantined, from a file
// that holds them, and keeps none. It ends when fault returns an error, or ctx ends.
func (s *Store) decodeEach(ctx context.Context, from *file, fault func(schema.ID, error) error) error {
	for id, v := range s.table.all() {
		if s.quarantine.covers(v) {
			continue
		}
		err := from.view(func(r reading) error {
			a, err := s.assemble(r, id, v.pair(), knowledge{})
			if err == nil && a != nil {
				err = a.Validate()
			}
			return err
		})
		if err != nil {
			err = fault(id, err)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
