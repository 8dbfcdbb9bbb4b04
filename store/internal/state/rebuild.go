package state

import (
	"context"
	"sync"

	"allocstore/schema"
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
	st    *State
	floor uint64
	slab  slab[Version]
	fresh *Version // from the slab, not yet in the table

	placed  [][]placed // in the order of the log
	lists   [namedKinds]listBuilder
	unknown []placed // of damaged records

	// The batch being read.
	index   uint64
	records int
	bytes   int64

	latestJob *Job // neighbours in the log often share it
}

// placed is the placement in one record with a scheduler's part. It is valid at the end if
// that record is still the newest of its kind. There may be millions, so it has numbers
// instead of pointers.
type placed struct {
	v     *Version
	at    record.Key
	id    schema.ID
	lists [namedKinds]uint32
}

// valid reports whether the allocation exists and is placed as p says.
func (p *placed) valid() bool { return !p.v.Tombstone() && p.v.Pair().Sched == p.at }

const placedBlock = 1024

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

func newRebuilder(st *State) *rebuilder {
	b := &rebuilder{st: st, floor: st.Floor.Load()}
	b.fresh = b.slab.next()
	for kind := range b.lists {
		b.lists[kind] = newListBuilder()
	}
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
			b.st.Table.prefetch(&block.records[i].record.ID)
		}
		for i := range block.records {
			if err := b.apply(&block.records[i]); err != nil {
				return err
			}
			b.count(&block.records[i])
		}
		sc.used <- block
	}
	b.endBatch()
	return nil
}

// count counts the record with the others of its batch.
func (b *rebuilder) count(rec *scanned) {
	if rec.key.Index != b.index {
		b.endBatch()
		b.index = rec.key.Index
	}
	b.records++
	b.bytes += int64(rec.size)
}

func (b *rebuilder) endBatch() {
	if b.records > 0 {
		b.st.Size.Wrote(b.index, b.records, b.bytes)
	}
	b.records, b.bytes = 0, 0
}

// apply advances the version of the record's allocation.
func (b *rebuilder) apply(rec *scanned) error {
	r := &rec.record
	v := b.st.Table.adopt(&r.ID, b.fresh)
	if v == b.fresh {
		b.fresh = b.slab.next()
	}
	if !rec.key.After(r.Prev.Newest()) || !b.follows(v.Pair(), r.Prev) {
		return record.CorruptAt(rec.key, "follows %v, the record before it is %v", r.Prev.Newest(), v.Pair().Newest())
	}
	if rec.damaged {
		b.st.Damaged.addRecord(rec.key, damagedRecord{r.ID, rec.valueSum})
	}
	var j *Job
	if r.Flags&record.FlagSched != 0 {
		if j = b.job(r.Job); j == nil {
			return record.CorruptAt(rec.key, "no job %x", r.Job)
		}
		b.place(v, rec)
	}
	switch v.Advance(r, rec.key, rec.size, j, rec.sums); {
	case rec.key.Index > b.floor && !v.whole():
		return record.CorruptAt(rec.key, "the record that it updates is missing")
	case v.whole() && v.Tombstone() && !r.Tombstone():
		return record.CorruptAt(rec.key, "updates an allocation that was deleted")
	}
	return nil
}

// follows reports whether a record that names the version prev may come after the version
// was: they are equal, or compaction has removed part of prev.
func (b *rebuilder) follows(was, prev record.Pair) bool {
	same := func(was, prev record.Key) bool {
		return prev == was || prev != (record.Key{}) && prev.Index <= b.floor
	}
	return same(was.Sched, prev.Sched) && same(was.Client, prev.Client)
}

// job returns the job of that hash, or nil.
func (b *rebuilder) job(h record.JobHash) *Job {
	if b.latestJob == nil || b.latestJob.Hash != h {
		b.latestJob = b.st.Jobs.Get(h)
	}
	return b.latestJob
}

// place notes the record's placement.
func (b *rebuilder) place(v *Version, rec *scanned) {
	p := placed{v: v, at: rec.key, id: rec.record.ID}
	if rec.damaged {
		b.unknown = append(b.unknown, p)
		return
	}
	for kind, name := range rec.placement {
		p.lists[kind] = b.lists[kind].intern(name)
	}
	n := len(b.placed)
	if n == 0 || len(b.placed[n-1]) == placedBlock {
		b.placed = append(b.placed, make([]placed, 0, placedBlock))
		n++
	}
	b.placed[n-1] = append(b.placed[n-1], p)
}

// finish counts the IDs and fills the lists, two at a time.
func (b *rebuilder) finish() error {
	if err := b.countIDs(); err != nil {
		return err
	}
	members := b.members()
	l := &b.st.Lists
	var wg sync.WaitGroup
	wg.Go(func() {
		l.mu.by[ByNode] = b.lists[ByNode].build(members, ByNode)
		l.mu.by[ByEval] = b.lists[ByEval].build(members, ByEval)
	})
	wg.Go(func() {
		l.mu.by[ByJob] = b.lists[ByJob].build(members, ByJob)
		l.mu.all = newIDSet(len(members))
		for i := range members {
			l.mu.all.append(members[i].id)
		}
	})
	wg.Wait()
	for i := range b.unknown {
		if p := &b.unknown[i]; p.valid() {
			l.mu.all.add(p.id)
			l.mu.unknown.add(p.id)
		}
	}
	return nil
}

// countIDs counts the allocations and tombstones. Each must have both its parts.
func (b *rebuilder) countIDs() error {
	counts := &b.st.Counts
	for id, v := range b.st.Table.All() {
		b.st.Size.live.Add(v.Bytes())
		switch {
		case !v.whole():
			return record.CorruptAt(v.Pair().Newest(), "allocation %v: the record that it updates is missing", id)
		case v.Tombstone():
			counts.Tombstones.Add(1)
		default:
			counts.Allocations.Add(1)
			if b.st.Damaged.Covers(v) {
				counts.Quarantined.Add(1)
			}
		}
	}
	return nil
}

// members returns the existing allocations and their lists, sorted by ID.
func (b *rebuilder) members() []member {
	all := make([]member, 0, b.st.Counts.Allocations.Load())
	for _, block := range b.placed {
		for i := range block {
			if p := &block[i]; p.valid() {
				all = append(all, member{p.id, p.lists})
			}
		}
	}
	b.placed = nil
	return sortMembers(all)
}
