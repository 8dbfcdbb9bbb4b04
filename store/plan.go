package store

import (
	"fmt"

	"allocstore/index"
	"allocstore/schema"
)

// A plan works out what the batches of one group change, one after the other,
// before anything is committed.
//
// The one hard idea: a batch is folded into one draft for each ID it touches,
// and what counts is where a draft ends, not the way it took. Several writes of
// one ID apply in order to its draft; at the end the draft is compared with the
// version from before the batch, by content. A draft that ends where it began
// changed nothing, however many writes it took; any other becomes one record and
// one version. A batch is refused as a whole by dropping its drafts.
//
// The version from before the batch is the published one, or the one that an
// earlier batch of the group made, which nobody else sees yet.
//
// A draft works on encoded parts, which the writers' own goroutines made: a
// client's update that replaces one part needs nothing of the stored content,
// and its comparison is that of two checksums. The stored content is read only
// where it matters: for events (which add to it), for a ClientStatus that the
// scheduler reports, for an allocation with a NextAllocation, and to confirm
// that content with an equal checksum is equal.
type plan struct {
	s    *Store
	r    reading // of the write transaction, so that it reads what the plan puts
	last uint64  // the last index taken

	overlay  map[schema.ID]*version // what earlier batches of the group made
	newJobs  []*op                  // the first op with each job that is not in the file
	jobs     map[jobHash]*job       // these jobs
	outcomes []outcome
	arena    arena

	// Of the batch being worked out.
	drafts []*draft
	byID   map[schema.ID]*draft
	fresh  []*op
}

// An outcome is what became of one batch of the group.
type outcome struct {
	answer
	changes []change
}

// A change is one new version, as it will be published.
type change struct {
	id         schema.ID
	v          *version
	before     *version  // nil if the ID was never seen
	from, to   placement // where it is listed; both empty if that cannot have changed
	key, value []byte    // in the arena
}

func newPlan(s *Store) *plan {
	return &plan{
		s:       s,
		overlay: make(map[schema.ID]*version),
		jobs:    make(map[jobHash]*job),
		byID:    make(map[schema.ID]*draft),
	}
}

// begin starts a group, whose transaction r reads.
func (p *plan) begin(r reading) {
	p.r, p.last = r, p.s.index.Last()
	p.r.log.FillPercent = 1 // records only ever arrive at the right edge
}

// reset forgets the group.
func (p *plan) reset() {
	p.r = reading{}
	clear(p.overlay)
	clear(p.jobs)
	clear(p.newJobs)
	clear(p.outcomes)
	p.newJobs, p.outcomes = p.newJobs[:0], p.outcomes[:0]
	p.arena.reset()
	p.forget()
}

// forget drops the batch being worked out.
func (p *plan) forget() {
	clear(p.drafts)
	clear(p.byID)
	clear(p.fresh)
	p.drafts, p.fresh = p.drafts[:0], p.fresh[:0]
}

// changed reports whether there is anything to commit.
func (p *plan) changed() bool { return len(p.overlay) > 0 }

// add works out the batch of r. A batch that is refused becomes an outcome; an
// error is one of the database.
func (p *plan) add(r *request) error {
	defer p.forget()
	o, err := p.work(r)
	if err != nil {
		o = outcome{answer: answer{err: err}}
	}
	p.outcomes = append(p.outcomes, o)
	if len(o.changes) == 0 {
		p.dropJobs()
		return nil
	}
	return p.put(&o)
}

// work returns what the batch of r comes to, or why it is refused.
func (p *plan) work(r *request) (o outcome, err error) {
	at, err := p.indexFor(r)
	if err != nil {
		return o, err
	}
	for i := range r.batch.ops {
		if err := p.apply(&r.batch.ops[i], at, &o.applied); err != nil {
			return o, fmt.Errorf("batch write %d: %w", i, err)
		}
	}
	return o, p.settle(at, &o)
}

// indexFor returns the index that the batch of r would have.
func (p *plan) indexFor(r *request) (uint64, error) {
	if r.at != nil {
		return index.At(p.last, *r.at)
	}
	return index.Next(p.last)
}

// apply folds one write into its draft.
func (p *plan) apply(o *op, at uint64, a *Applied) error {
	d, err := p.draft(o.id)
	if err != nil {
		return err
	}
	if o.kind != opUpsert && !d.alive {
		if !d.unknown {
			d.unknown = true
			a.Unknown = append(a.Unknown, o.id.String())
		}
		return nil
	}
	d.writes++
	switch o.kind {
	case opUpsert:
		if err := d.upsert(p, o, at); err != nil || !o.previous.set {
			return err
		}
		previous, err := p.draft(o.previous.id)
		if err != nil {
			return err
		}
		previous.link(o.id, at)
		return nil
	case opClient:
		d.update(o, at)
		return nil
	case opEvent:
		return d.record(p, o.event, at)
	default:
		d.alive = false
		return nil
	}
}

// draft returns the draft of id, begun at its newest version.
func (p *plan) draft(id schema.ID) (*draft, error) {
	if d := p.byID[id]; d != nil {
		return d, nil
	}
	d := &draft{id: id, base: p.newest(&id)}
	if d.base != nil && !d.base.tombstone() {
		if err := d.begin(p); err != nil {
			return nil, fmt.Errorf("allocation %v: %w", id, err)
		}
	}
	p.byID[id] = d
	p.drafts = append(p.drafts, d)
	return d, nil
}

// newest returns the newest version of id that the group has made or found.
func (p *plan) newest(id *schema.ID) *version {
	if len(p.overlay) > 0 {
		if v := p.overlay[*id]; v != nil {
			return v
		}
	}
	return p.s.table.get(id)
}

// canonical returns the job of o as the store has it, or will have it.
func (p *plan) canonical(o *op) *job {
	j := p.s.jobs.get(o.job.hash)
	if j == nil {
		j = p.jobs[o.job.hash]
	}
	if j == nil {
		p.fresh = append(p.fresh, o)
		p.jobs[o.job.hash] = o.job
		return o.job
	}
	j.decoded.CompareAndSwap(nil, o.job.decoded.Load())
	return j
}

// settle turns the drafts into changes, and takes the index if there are any.
func (p *plan) settle(at uint64, o *outcome) error {
	for _, d := range p.drafts {
		ch, err := d.settle(p, key{at, uint32(len(o.changes))})
		if err != nil {
			return err
		}
		if ch == nil {
			o.applied.Unchanged += d.writes
			continue
		}
		o.changes = append(o.changes, *ch)
	}
	o.applied.Index = p.last
	if len(o.changes) > 0 {
		o.applied.Index = at
	}
	return nil
}

// put lays the changes of a batch over what is published and writes them.
func (p *plan) put(o *outcome) error {
	p.last = o.applied.Index
	p.newJobs = append(p.newJobs, p.fresh...)
	for i := range o.changes {
		ch := &o.changes[i]
		p.overlay[ch.id] = ch.v
		if err := p.r.log.Put(ch.key, ch.value); err != nil {
			return err
		}
	}
	return nil
}

// dropJobs forgets the jobs of a batch that changes nothing or was refused.
func (p *plan) dropJobs() {
	for _, o := range p.fresh {
		delete(p.jobs, o.job.hash)
	}
}

// An arena lends memory for keys and values until the group is committed.
type arena struct {
	block []byte
}

const arenaBlock = 1 << 20

// take returns an empty slice with room for n bytes.
func (a *arena) take(n int) []byte {
	if n > arenaBlock/4 {
		return make([]byte, 0, n)
	}
	if n > cap(a.block)-len(a.block) {
		a.block = make([]byte, 0, arenaBlock)
	}
	at := len(a.block)
	a.block = a.block[:at+n]
	return a.block[at : at : at+n]
}

// reset takes back the memory of the block in use; earlier ones are garbage.
func (a *arena) reset() { a.block = a.block[:0] }
