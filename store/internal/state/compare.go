package state

import (
	"context"
	"fmt"
	"math"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/record"
)

// Compare compares st, the state in use, with one that was loaded later from the same file,
// and reports every difference and all damage in the file. It stops when fault returns an
// error, which it then returns, or when ctx ends.
//
// Writes may go on. A version above loaded's last index is newer than the file was, and is
// not compared. The caller must keep compaction from running.
func (st *State) Compare(ctx context.Context, loaded *State, fault func(error) error) error {
	c := comparison{st, loaded, fault}
	for _, step := range []func(context.Context) error{c.damage, c.missing, c.extra, c.lists} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type comparison struct {
	used, loaded *State
	fault        func(error) error
}

func (c *comparison) faultf(format string, args ...any) error {
	return c.fault(fmt.Errorf("%w: "+format, append([]any{record.ErrCorrupt}, args...)...))
}

// newer reports whether v was written after the state was loaded.
func (c *comparison) newer(v *Version) bool {
	return v != nil && v.Modified() > c.loaded.Index.Last()
}

// unpublished reports whether the file has a version that is never published, because the
// store failed in the commit that made it.
func (c *comparison) unpublished(id *schema.ID) bool {
	v := c.loaded.Table.Get(id)
	return v != nil && v.Modified() > c.used.Index.Last()
}

// damage reports the damage in the file.
func (c *comparison) damage(context.Context) error {
	for _, f := range c.loaded.Damaged.Faults() {
		if err := c.fault(f); err != nil {
			return err
		}
	}
	return nil
}

// missing looks for versions of the file that the table lacks or has differently.
func (c *comparison) missing(ctx context.Context) error {
	for id, want := range c.loaded.Table.All() {
		got := c.used.Table.Get(&id)
		if c.newer(got) || c.unpublished(&id) || c.loaded.Damaged.Covers(want) {
			continue
		}
		var err error
		switch {
		case got == nil:
			err = c.faultf("allocation %v: in the file at %v, not in the table", id, want.Pair().Newest())
		case !got.Content.equal(&want.Content):
			err = c.faultf("allocation %v: in the file at %v, in the table at %v, and not the same", id, want.Pair().Newest(), got.Pair().Newest())
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

// extra looks for versions in the table that the file lacks.
func (c *comparison) extra(ctx context.Context) error {
	for id, v := range c.used.Table.All() {
		if c.newer(v) || c.loaded.Table.Get(&id) != nil {
			continue
		}
		if err := c.faultf("allocation %v: in the table at %v, not in the file", id, v.Pair().Newest()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lists compares the lists both ways: members, indexes and departures.
func (c *comparison) lists(ctx context.Context) error {
	err := c.members(ctx, &c.loaded.Lists, &c.used.Lists, func(n lists.Name, id schema.ID) error {
		return c.faultf("allocation %v: not in the list of %v", id, n)
	})
	if err != nil {
		return err
	}
	err = c.members(ctx, &c.used.Lists, &c.loaded.Lists, func(n lists.Name, id schema.ID) error {
		if v := c.used.Table.Get(&id); c.newer(v) || !c.used.Lists.Has(n, id) { // back or gone by now
			return nil
		}
		return c.faultf("allocation %v: in the list of %v, where it does not belong", id, n)
	})
	if err != nil {
		return err
	}
	if c.loaded.Damaged.Len() > 0 {
		return ctx.Err() // loading did not see what the damaged records say of the lists
	}
	for _, difference := range c.used.Lists.Differences(&c.loaded.Lists, c.last()) {
		if err := c.faultf("%s", difference); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// last returns the index up to which both states have everything.
func (c *comparison) last() uint64 { return min(c.loaded.Index.Last(), c.used.Index.Last()) }

// members calls missing for every ID of a list of these that the same list of those lacks, or has as
// terminal where these have it as not terminal, or the reverse. Allocations that are newer are not
// compared.
func (c *comparison) members(ctx context.Context, these, those *lists.Lists, missing func(lists.Name, schema.ID) error) error {
	cursor := new(lists.Cursor)
	for _, n := range these.Names() {
		cursor.Init(these, &lists.Query{Name: n, IDs: lists.All()}, math.MaxUint64)
		for page := cursor.Next(); len(page) > 0; page = cursor.Next() {
			for _, id := range page {
				if those.Has(n, id) && those.Terminal(n, id) == these.Terminal(n, id) ||
					c.newer(c.used.Table.Get(&id)) || c.unpublished(&id) {
					continue
				}
				if err := missing(n, id); err != nil {
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

// Differing returns a fault for each count in which st and loaded, which are at the same index,
// differ, and for the digest. The committer must not run meanwhile.
func (st *State) Differing(loaded *State) (faults []error) {
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"allocations", st.Counts.Allocations.Load(), loaded.Counts.Allocations.Load()},
		{"tombstones", st.Counts.Tombstones.Load(), loaded.Counts.Tombstones.Load()},
		{"bytes of records", st.Size.Log.Load(), loaded.Size.Log.Load()},
		{"bytes of live records", st.Size.Live.Load(), loaded.Size.Live.Load()},
		{"bytes of jobs", st.Size.Jobs.Load(), loaded.Size.Jobs.Load()},
		{"jobs", int64(st.Jobs.Len()), int64(loaded.Jobs.Len())},
		{"quarantined allocations", st.Counts.Quarantined.Load(), loaded.Counts.Quarantined.Load()},
	} {
		if c.got != c.want {
			faults = append(faults, miscounted(c.name, c.got, c.want))
		}
	}
	for _, c := range []struct {
		name      string
		got, want uint64
	}{ // these may be ahead of the file, never behind
		{"applied index", st.Applied(), loaded.Applied()},
		{"floor of entries", st.Kept.Load(), loaded.Kept.Load()},
	} {
		if c.got < c.want {
			faults = append(faults, miscounted(c.name, int64(c.got), int64(c.want)))
		}
	}
	_, got := st.Digest()
	if _, want := loaded.Digest(); got != want && !loaded.Damaged.exceeds(&st.Damaged) { // else it has lost content
		faults = append(faults, fmt.Errorf("%w: the digest is %x, that of the file's content is %x", record.ErrCorrupt, got, want))
	}
	return faults
}

func miscounted(name string, got, want int64) error {
	return fmt.Errorf("%w: %s: %d are counted, the file has %d", record.ErrCorrupt, name, got, want)
}
