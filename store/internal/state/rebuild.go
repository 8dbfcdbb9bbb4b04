package state

import (
	"context"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/record"
)

// A rebuilder fills the table and the lists of a state from the records of the log. It
// verifies that every record follows the version that it names, and decodes only the
// placement.
//
// Compaction removed records that were superseded at the floor, so a record at or below
// the floor may follow one that is gone. A record above the floor must find the version
// that it names, and at the end every allocation must have both its parts.
type rebuilder struct {
	st      *State
	floor   uint64
	slab    slab[Version]
	fresh   *Version // from the slab, not yet in the table
	jobs    jobCache
	lists   *lists.Builder
	next    map[schema.ID]schema.ID // NextAllocation of those that have one
	batches batchCounter
	alive   int // the number of allocations that exist
}

// rebuild fills the table and the lists from the records of the scan.
func rebuild(ctx context.Context, st *State, sc *scan) error {
	b := newRebuilder(st)
	if err := b.readAll(ctx, sc); err != nil {
		return err
	}
	return b.finish()
}

func newRebuilder(st *State) *rebuilder {
	b := &rebuilder{st: st, floor: st.Floor.Load(), jobs: jobCache{jobs: &st.Jobs}, batches: batchCounter{size: &st.Size}}
	b.fresh = b.slab.next()
	b.lists = lists.NewBuilder(&st.Lists, b.floor)
	b.next = make(map[schema.ID]schema.ID)
	return b
}

// readAll applies the records of all blocks. It stops at the first invalid one, or when
// ctx ends.
func (b *rebuilder) readAll(ctx context.Context, sc *scan) error {
	for block := range sc.blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range block.records {
			b.st.Table.prefetch(&block.records[i].ID)
		}
		for i := range block.records {
			if err := b.apply(&block.records[i]); err != nil {
				return err
			}
		}
		sc.used <- block
	}
	b.batches.end()
	return nil
}

// apply advances the version of the record's allocation.
func (b *rebuilder) apply(rec *scanned) error {
	v := b.st.Table.adopt(&rec.ID, b.fresh)
	if v == b.fresh {
		b.fresh = b.slab.next()
	}
	if !rec.Key.After(rec.Prev.Newest()) || !v.follows(rec.Prev, b.floor) {
		return record.CorruptAt(rec.Key, "follows %v, the record before it is %v", rec.Prev.Newest(), v.Pair().Newest())
	}
	if rec.Damaged {
		b.st.Damaged.addRecord(rec.Key, damagedRecord{rec.ID, record.PartSum(record.UnsafeString(rec.Value))})
	}
	var j *Job
	if rec.Flags&record.FlagSched != 0 {
		if j = b.jobs.get(rec.Job); j == nil {
			return record.CorruptAt(rec.Key, "no job %x", rec.Job)
		}
	}
	was := v.Place
	switch v.Advance(&rec.Record, rec.Key, rec.Size(), j, b.parts(v, rec)); {
	case rec.Key.Index > b.floor && !v.whole():
		return record.CorruptAt(rec.Key, "the record that it updates is missing")
	case v.whole() && v.Tombstone() && !rec.Tombstone():
		return record.CorruptAt(rec.Key, "updates an allocation that was deleted")
	}
	b.changeLists(v, was, rec)
	b.batches.add(rec.Key.Index, rec.Size())
	return nil
}

// parts describes the parts of a record that follows the version v.
func (b *rebuilder) parts(v *Version, rec *scanned) Parts {
	p := Parts{SchedSum: rec.sums[0], ClientSum: rec.sums[1], Place: v.Place}
	sched, client := rec.Flags&record.FlagSched != 0, rec.Flags&record.FlagClient != 0
	switch {
	case sched && rec.Damaged:
		p.Place = lists.UnknownPlace()
		p.Place.Terminal = v.Place.Terminal & lists.ClientTerminal // the client's part may be in another record
	case sched:
		to := lists.PlacementOf(rec.sched)
		p.Place = b.lists.Place(&to, v.Place.Terminal)
		p.Place.Terminal.Set(lists.ServerTerminal, lists.TerminalOf(rec.sched.DesiredStatus, ""))
	}
	if client { // a damaged status is empty
		p.Place.Terminal.Set(lists.ClientTerminal, lists.TerminalOf("", rec.client))
	}
	return p
}

// changeLists notes in the lists the effect of the record that made the version v.
func (b *rebuilder) changeLists(v *Version, was lists.Place, rec *scanned) {
	next, had := b.next[rec.ID]
	linked := rec.Flags&record.FlagNext != 0 && (!had || next != rec.Next)
	switch {
	case linked:
		b.next[rec.ID] = rec.Next
	case had && rec.Flags&record.FlagNext == 0:
		delete(b.next, rec.ID)
	}
	switch is := v.Place; {
	case was.Nowhere() && !is.Nowhere():
		b.alive++
	case !was.Nowhere() && is.Nowhere():
		b.alive--
	}
	if rec.Key.Index > b.floor && !(was.Nowhere() && v.Tombstone()) {
		b.lists.Apply(&lists.Change{ID: rec.ID, Index: rec.Key.Index, Was: was, Is: v.Place, Scheduled: v.Scheduled() == rec.Key.Index, Linked: linked})
	}
}

// finish counts the allocations and tombstones, each of which must have both its parts, adds up the
// digest, and fills the lists.
func (b *rebuilder) finish() error {
	counts := &b.st.Counts
	members := make([]lists.Member, 0, max(b.alive, 0))
	digest := uint64(0)
	for id, v := range b.st.Table.All() {
		b.st.Size.Live.Add(v.Bytes())
		switch {
		case !v.whole():
			return record.CorruptAt(v.Pair().Newest(), "allocation %v: the record that it updates is missing", id)
		case v.Tombstone():
			counts.Tombstones.Add(1)
		default:
			counts.Allocations.Add(1)
			members = append(members, lists.Member{ID: id, Place: v.Place})
			digest += b.digestNumber(&id, v)
			if b.st.Damaged.Covers(v) {
				counts.Quarantined.Add(1)
			}
		}
	}
	b.lists.Finish(members, b.st.Index.Last())
	b.st.PublishIndex(b.st.Index.Last(), digest)
	return nil
}

// digestNumber returns the number of an allocation in the digest.
func (b *rebuilder) digestNumber(id *schema.ID, v *Version) uint64 {
	var next schema.ID
	if v.HasNext() && !b.st.Damaged.HasRecord(v.Pair().Newest()) {
		next = b.next[*id]
	}
	return v.DigestNumber(id, &next)
}

// A slab allocates a few values at once. They are freed together.
type slab[T any] struct {
	free []T
}

const slabLen = 16

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, slabLen)
	}
	t := &s.free[0]
	s.free = s.free[1:]
	return t
}
