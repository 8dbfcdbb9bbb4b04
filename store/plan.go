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
	jobs     map[jobHash]*newJob    // the jobs that are not in the file yet
	outcomes []outcome
	changes  []change // of all outcomes, one after the other
	arena    arena
	scratch  []byte

	drafts drafts // of the batch being worked out
	parts  int    // bytes of the parts in its records
	kept   int    // bytes of the stored parts that its events add to, in memory or not: replicas agree

	size int // bytes of the parts that the group's batches have come to, refused ones too

	// holds is the store's: what the file holds, and what the transaction under way
	// puts there.
	holds *contents
}

// An outcome is what became of one batch of the group. Its changes are those of
// the plan from the one before the first to the one before the end.
type outcome struct {
	answer
	first, end int
}

// A change is one new version, as it will be published.
type change struct {
	id     schema.ID
	v      *version
	before *version   // nil if the ID was never seen
	relist *relisting // nil if it stays in the lists where it is
	key    key
	value  []byte // in the arena
}

// A newJob is a job that comes into the file with the group, or comes there again.
type newJob struct {
	*job
	body  string // "" once it is put
	size  int    // what it adds to the file
	heals bool   // it is there, and damaged
}

func newPlan(s *Store) *plan {
	return &plan{s: s, holds: &s.holds, overlay: make(map[schema.ID]*version), jobs: make(map[jobHash]*newJob)}
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
	clear(p.outcomes)
	clear(p.changes)
	p.outcomes, p.changes = p.outcomes[:0], p.changes[:0]
	p.arena.reset()
	p.drafts.reset()
	p.size = 0
}

// changed reports whether there is anything to commit.
func (p *plan) changed() bool { return len(p.changes) > 0 }

// add works out the batch of r. A batch that is refused becomes an outcome; an
// error is one of the database.
func (p *plan) add(r *request) error {
	defer p.drafts.reset()
	p.parts, p.kept = 0, 0
	first := len(p.changes)
	o, err := p.work(r)
	if err != nil {
		clear(p.changes[first:])
		p.changes = p.changes[:first]
		o = outcome{answer: answer{err: err}}
	}
	p.size += p.parts
	o.first, o.end = first, len(p.changes)
	p.outcomes = append(p.outcomes, o)
	return p.put(&o)
}

// charge adds n bytes of allocation id to a total of the batch, and refuses the batch if that
// comes to more than Options.MaxBatchBytes.
func (p *plan) charge(total *int, n int, id schema.ID) error {
	if *total += n; *total > p.s.opts.MaxBatchBytes {
		return fmt.Errorf("%w: batch: %d bytes up to allocation %v, with the stored content that is written again; Options.MaxBatchBytes is %d",
			ErrTooLarge, *total, id, p.s.opts.MaxBatchBytes)
	}
	return nil
}

// work returns what the batch of r comes to, or why it is refused.
func (p *plan) work(r *request) (o outcome, err error) {
	at, err := p.indexFor(r)
	if err != nil {
		return o, err
	}
	for i := range r.batch.ops {
		if err := p.apply(&r.batch.ops[i], &o.applied); err != nil {
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
func (p *plan) apply(o *op, a *Applied) error {
	d, err := p.draft(o.id)
	if err != nil {
		return err
	}
	if d.alive && d.damaged && o.kind != opDelete {
		return d.refuse(p)
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
		if err := d.upsert(p, o); err != nil || !o.previous.set {
			return err
		}
		previous, err := p.draft(o.previous.id)
		if err == nil && previous.alive && previous.damaged {
			err = previous.refuse(p)
		}
		if err != nil {
			return err
		}
		previous.link(o.id)
		return nil
	case opClient:
		d.update(o)
		return nil
	case opEvent:
		return d.record(p, o.event)
	default:
		d.alive, d.damaged = false, false
		return nil
	}
}

// draft returns the draft of id, begun at its newest version.
func (p *plan) draft(id schema.ID) (*draft, error) {
	d, isNew := p.drafts.of(id)
	if !isNew {
		return d, nil
	}
	d.base = p.newest(&id)
	if d.base != nil && !d.base.tombstone() {
		if err := d.begin(p); err != nil {
			return nil, fmt.Errorf("allocation %v: %w", id, err)
		}
	}
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

// canonical returns the job as the store has it, or will have it. One that is damaged in
// the file is written again: what its hash names is at hand.
func (p *plan) canonical(in *encodedJob) *job {
	known := p.s.jobs.get(in.hash)
	heals := known != nil && p.s.quarantine.hasJob(in.hash)
	if known != nil && !heals {
		return known
	}
	j := p.jobs[in.hash]
	if j == nil {
		if known == nil {
			known = &job{hash: in.hash}
		}
		j = &newJob{job: known, body: in.body, size: len(in.hash) + len(in.body), heals: heals}
		p.jobs[in.hash] = j
	}
	return j.job
}

// settle turns the drafts into changes, and takes the index if there are any.
func (p *plan) settle(at uint64, o *outcome) error {
	first := len(p.changes)
	for _, d := range p.drafts.all {
		n := len(p.changes)
		if err := d.settle(p, key{at, uint32(n - first)}); err != nil {
			return err
		}
		if len(p.changes) == n {
			o.applied.Unchanged += d.writes
		}
	}
	o.applied.Index = p.last
	if len(p.changes) > first {
		o.applied.Index = at
	}
	return nil
}

// put lays the changes of a batch over what is published and writes them, and
// the jobs that they are the first to have. Jobs that only a refused batch had
// are left out, since no change has them.
func (p *plan) put(o *outcome) error {
	var buf [keyLen]byte
	for i := range p.changes[o.first:o.end] {
		ch := &p.changes[o.first+i]
		p.last = ch.key.index
		p.overlay[ch.id] = ch.v
		if err := p.putJob(ch.v.job); err != nil {
			return err
		}
		if err := p.r.log.Put(ch.key.appendTo(buf[:0]), ch.value); err != nil {
			return err
		}
		p.holds.sum.add(ofRecord(ch.key, ch.value))
	}
	return nil
}

// putJob writes j if it is new. A tombstone has none.
func (p *plan) putJob(j *job) error {
	if j == nil || len(p.jobs) == 0 {
		return nil
	}
	n := p.jobs[j.hash]
	if n == nil || n.body == "" {
		return nil
	}
	body := n.body
	n.body = ""
	bucket := p.r.jobs()
	if n.heals {
		n.size -= len(j.hash) + len(bucket.Get(j.hash[:]))
	} else {
		p.holds.sum.add(ofJob(j.hash))
	}
	return bucket.Put(j.hash[:], bytesOf(body))
}

// encode returns the client's part of a, in the arena.
func (p *plan) encode(a *schema.Allocation) string {
	p.scratch = schema.AppendClient(p.scratch[:0], a)
	return aliasOf(append(p.arena.take(len(p.scratch)), p.scratch...))
}
