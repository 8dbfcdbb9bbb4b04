package store

import (
	"context"
	"sync"

	"allocstore/schema"
)

// A rebuilder makes the table and the lists from the records of the log. It
// verifies that every record follows the one that it claims to, and decodes no
// more of the content than where the allocation is placed.
//
// Compaction has removed what had been superseded at the floor, so a record at or
// below it may follow one that is gone. Whatever is above the floor must find
// what it refers to, and so must every allocation at the end.
type rebuilder struct {
	s     *Store
	floor uint64
	slab  slab[version]
	fresh *version // from the slab, not yet in the table

	placed   [][]placed // in the order of the log
	lists    [byKinds]gathering
	unplaced []placed // of the records that do not tell

	// What has been read of the batch at index.
	index   uint64
	records int
	bytes   int64

	recentJob *job // the last one named: neighbours in the log mostly have theirs in common
}

// placed is where one record of the scheduler's placed its allocation. It holds
// if that record is still the newest of its kind at the end. There may be millions,
// so what would be pointers are numbers.
type placed struct {
	v     *version
	at    key
	id    schema.ID
	lists [byKinds]uint32
}

// holds reports whether the allocation is still there, and where it was placed.
func (p *placed) holds() bool { return !p.v.tombstone() && p.v.pair().sched == p.at }

const placedBlock = 1024

// A slab allocates several at once. They are freed together, hence not many.
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

func newRebuilder(s *Store) *rebuilder {
	r := &rebuilder{s: s, floor: s.floor.Load()}
	r.fresh = r.slab.next()
	for kind := range r.lists {
		r.lists[kind] = newGathering()
	}
	return r
}

// readAll takes the records of all blocks, up to the first that cannot be, or until
// ctx ends.
func (b *rebuilder) readAll(ctx context.Context, sc *scan) error {
	for block := range sc.blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range block.records {
			b.s.table.touch(&block.records[i].record.id)
		}
		for i := range block.records {
			if err := b.read(&block.records[i]); err != nil {
				return err
			}
			b.tally(&block.records[i])
		}
		sc.used <- block
	}
	b.endBatch()
	return nil
}

// tally counts the record with the others of its batch.
func (b *rebuilder) tally(rec *scanned) {
	if rec.key.index != b.index {
		b.endBatch()
		b.index = rec.key.index
	}
	b.records++
	b.bytes += int64(rec.size)
}

func (b *rebuilder) endBatch() {
	if b.records > 0 {
		b.s.tally.wrote(b.index, b.records, b.bytes)
	}
	b.records, b.bytes = 0, 0
}

// read takes one record.
func (b *rebuilder) read(rec *scanned) error {
	r := &rec.record
	v := b.s.table.adopt(&r.id, b.fresh)
	if v == b.fresh {
		b.fresh = b.slab.next()
	}
	if !b.follows(v.pair(), r.prev) {
		return corruptAt(rec.key, "follows %v, the record before it is %v", r.prev.newest(), v.pair().newest())
	}
	if rec.damaged {
		b.s.quarantine.addRecord(rec.key, damagedRecord{r.id, rec.valueSum})
	}
	var j *job
	if r.flags&flagSched != 0 {
		if j = b.job(r.job); j == nil {
			return corruptAt(rec.key, "no job %x", r.job)
		}
		b.place(v, rec)
	}
	if v.take(r, rec.key, j, rec.size, rec.schedSum, rec.clientSum); rec.key.index > b.floor && !v.whole() {
		return corruptAt(rec.key, "the record that it updates is missing")
	}
	return nil
}

// follows reports whether a record that claims to follow the version prev may
// come after the version was: it is that, or compaction has left no more of it.
func (b *rebuilder) follows(was, prev pair) bool {
	same := func(was, prev key) bool { return prev == was || prev != (key{}) && prev.index <= b.floor }
	return same(was.sched, prev.sched) && same(was.client, prev.client)
}

// job returns the job of that hash, or nil.
func (b *rebuilder) job(h jobHash) *job {
	if b.recentJob == nil || b.recentJob.hash != h {
		b.recentJob = b.s.jobs.get(h)
	}
	return b.recentJob
}

// place notes the lists that the record's allocation belongs to.
func (b *rebuilder) place(v *version, rec *scanned) {
	p := placed{v: v, at: rec.key, id: rec.record.id}
	if rec.damaged {
		b.unplaced = append(b.unplaced, p)
		return
	}
	for kind, name := range rec.where {
		p.lists[kind] = b.lists[kind].number(name)
	}
	n := len(b.placed)
	if n == 0 || len(b.placed[n-1]) == placedBlock {
		b.placed = append(b.placed, make([]placed, 0, placedBlock))
		n++
	}
	b.placed[n-1] = append(b.placed[n-1], p)
}

// finish counts what there is and fills the lists, two at a time.
func (b *rebuilder) finish() error {
	if err := b.count(); err != nil {
		return err
	}
	living := b.living()
	l := b.s.lists
	var wg sync.WaitGroup
	wg.Go(func() {
		l.mu.by[byNode] = b.lists[byNode].fill(living, byNode)
		l.mu.by[byEval] = b.lists[byEval].fill(living, byEval)
	})
	wg.Go(func() {
		l.mu.by[byJob] = b.lists[byJob].fill(living, byJob)
		l.mu.all = newIDSet(len(living))
		for i := range living {
			l.mu.all.fill(living[i].id)
		}
	})
	wg.Wait()
	for i := range b.unplaced {
		if p := &b.unplaced[i]; p.holds() {
			l.mu.all.add(p.id)
			l.mu.unplaced.add(p.id)
		}
	}
	return nil
}

// count counts the allocations and tombstones, none of which may lack a part.
func (b *rebuilder) count() error {
	for id, v := range b.s.table.all() {
		b.s.tally.live.Add(v.bytes())
		switch {
		case !v.whole():
			return corruptAt(v.pair().newest(), "allocation %v: the record that it updates is missing", id)
		case v.tombstone():
			b.s.counts.tombstones.Add(1)
		default:
			b.s.counts.allocations.Add(1)
			if b.s.quarantine.covers(v) {
				b.s.counts.quarantined.Add(1)
			}
		}
	}
	return nil
}

// living returns where the allocations are that there are, in the order of their
// IDs.
func (b *rebuilder) living() []gathered {
	all := make([]gathered, 0, b.s.counts.allocations.Load())
	for _, block := range b.placed {
		for i := range block {
			if p := &block[i]; p.holds() {
				all = append(all, gathered{p.id, p.lists})
			}
		}
	}
	b.placed = nil
	return sortGathered(all)
}
