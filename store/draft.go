package store

import (
	"fmt"
	"strings"

	"allocstore/schema"
)

// A draft is one allocation in the course of one batch; see plan.
type draft struct {
	id   schema.ID
	base *version // from before the batch: nil if the ID was never seen

	alive   bool // there is an allocation now
	created bool // it was inserted by this batch; both parts are replaced
	writes  int  // how many of the batch's writes it took
	unknown bool // a write found it absent

	job           *job
	sched, client part       // what replaces the stored parts; empty where nothing does
	next          optionalID // NextAllocation
	baseNext      optionalID // NextAllocation before the batch

	wrote bool // a scheduler's update changed it: AllocModifyIndex moves
	stale bool // alloc has a client's part that is not encoded yet

	// alloc is the content so far, or nil where it is not in memory. A write
	// replaces it and does not change it, since it may be the published one.
	alloc *schema.Allocation
}

// begin takes over the base, which is not a tombstone.
func (d *draft) begin(p *plan) (err error) {
	d.alive, d.job = true, d.base.job
	d.alloc = d.base.alloc.Load()
	if !d.base.hasNext {
		return nil
	}
	if d.alloc == nil {
		if d.alloc, err = p.s.assemble(p.r, d.id, d.base.pair()); err != nil {
			return err
		}
	}
	d.next, err = parseOptional(d.alloc.NextAllocation)
	d.baseNext = d.next
	return err
}

// load makes sure that alloc is there: the stored content, with the parts that
// the batch has replaced so far.
func (d *draft) load(p *plan, at uint64) (err error) {
	if d.alloc != nil {
		return nil
	}
	if d.alloc, err = p.s.assemble(p.r, d.id, d.base.pair()); err != nil {
		return err
	}
	if d.sched.body != "" {
		upd := new(schema.Allocation)
		if upd.Job, err = d.job.decode(p.r.jobs); err != nil {
			return err
		}
		if err = schema.DecodeScheduler(d.sched.body, upd); err != nil {
			return err
		}
		d.alloc = schema.SchedulerUpdate(d.alloc, upd, at)
	}
	if d.client.body != "" {
		upd := new(schema.Allocation)
		if err = schema.DecodeClient(d.client.body, upd); err != nil {
			return err
		}
		d.alloc = schema.ClientUpdate(d.alloc, upd, at)
	}
	d.alloc.NextAllocation = d.next.String() // nobody else has alloc yet
	return nil
}

// upsert is the scheduler's write.
func (d *draft) upsert(p *plan, o *op, at uint64) error {
	if !d.alive {
		return d.insert(p, o, at)
	}
	reports, err := d.reports(p, o, at)
	if err != nil {
		return err
	}
	same, err := d.same(p, o.sched, d.sched, schedSide)
	if err != nil {
		return err
	}
	j := d.job
	if o.job != nil {
		j = p.canonical(o)
	}
	if same && !reports && j == d.job && o.next == d.next {
		return nil
	}
	d.wrote, d.stale = true, d.stale || reports
	d.job, d.sched, d.next = j, o.sched, o.next
	if d.alloc != nil {
		d.alloc = schema.SchedulerUpdate(d.alloc, o.alloc, at)
		if decoded := j.decoded.Load(); decoded != nil {
			d.alloc.Job = decoded
		}
	}
	return nil
}

// reports reports whether o sets a ClientStatus that the scheduler may set.
func (d *draft) reports(p *plan, o *op, at uint64) (bool, error) {
	if !schema.SchedulerMayReport(o.alloc.ClientStatus) {
		return false, nil
	}
	if err := d.load(p, at); err != nil {
		return false, err
	}
	return d.alloc.ClientStatus != o.alloc.ClientStatus, nil
}

func (d *draft) insert(p *plan, o *op, at uint64) error {
	if o.job == nil {
		return fmt.Errorf("%w: allocation %v", ErrNoJob, o.id)
	}
	d.alive, d.created = true, true
	d.job, d.sched, d.client = p.canonical(o), o.sched, o.client
	d.next, d.stale = o.next, false
	d.alloc = schema.Inserted(o.alloc, at)
	d.alloc.Job = d.job.decoded.Load()
	return nil
}

// update is the client's write.
func (d *draft) update(o *op, at uint64) {
	d.client, d.stale = o.client, false
	if d.alloc != nil {
		d.alloc = schema.ClientUpdate(d.alloc, o.alloc, at)
	}
}

// record is one task event.
func (d *draft) record(p *plan, te *taskEvent, at uint64) error {
	if err := d.load(p, at); err != nil {
		return err
	}
	d.alloc = schema.RecordTaskEvent(d.alloc, te.task, te.state, te.event, at)
	d.stale = true
	return nil
}

// link makes next the one that replaces this allocation.
func (d *draft) link(next schema.ID, at uint64) {
	if !d.alive || d.next == (optionalID{next, true}) {
		return
	}
	d.next = optionalID{next, true}
	if d.alloc != nil {
		d.alloc = schema.Superseded(d.alloc, next.String(), at)
	}
}

// settle returns the change that the draft has come to, at k, or nil if it has
// come to nothing.
func (d *draft) settle(p *plan, k key) (*change, error) {
	if !d.alive && !d.wasAlive() {
		return nil, nil
	}
	if d.stale && d.alive {
		d.client = newPart(encoded(func(buf []byte) []byte { return schema.AppendClient(buf, d.alloc) }))
		if limit := p.s.opts.MaxAllocationBytes; len(d.client.body) > limit {
			return nil, fmt.Errorf("%w: allocation %v: client's part of %d bytes, Options.MaxAllocationBytes is %d",
				ErrTooLarge, d.id, len(d.client.body), limit)
		}
	}
	r, err := d.result(p, k)
	if err != nil || r.flags == 0 {
		return nil, err
	}
	return d.change(p, &r, k)
}

func (d *draft) wasAlive() bool { return d.base != nil && !d.base.tombstone() }

// result returns the record of what the batch has changed, with no flags if that
// is nothing. Its parts may alias the file.
func (d *draft) result(p *plan, k key) (r record, err error) {
	r.id = d.id
	if d.base != nil {
		r.prev = d.base.pair()
	}
	if !d.alive {
		r.flags = flagTombstone
		return r, nil
	}
	sched, client, err := d.differs(p)
	if err != nil || !sched && !client {
		return r, err
	}
	if sched {
		r.flags, r.job, r.created = flagSched, d.job.hash, k.index
		if !d.created {
			r.created = d.base.created
		}
		if r.sched, err = d.body(p, d.sched, schedSide); err != nil {
			return r, err
		}
	}
	if client {
		r.flags |= flagClient
		if r.client, err = d.body(p, d.client, clientSide); err != nil {
			return r, err
		}
	}
	if d.next.set {
		r.flags |= flagNext
		r.next = d.next.id
	}
	return r, nil
}

// differs reports which parts are to be written, of which there are none if the
// content is what it was. Whose write it was decides which index moves, and so
// which part goes with it: the scheduler's, if a write of the scheduler's changed
// anything, even where the batch took that back; else the client's, which is
// also what carries a NextAllocation that another allocation's placement set.
func (d *draft) differs(p *plan) (sched, client bool, err error) {
	if d.created {
		return true, true, nil
	}
	sameClient, err := d.same(p, d.client, part{}, clientSide)
	if err != nil {
		return false, false, err
	}
	sameSched, err := d.same(p, d.sched, part{}, schedSide)
	if err != nil {
		return false, false, err
	}
	if sameClient && sameSched && d.job == d.base.job && d.next == d.baseNext {
		return false, false, nil
	}
	return d.wrote, !sameClient || !d.wrote, nil
}

// A side is one of the two parts of the content.
type side uint8

const (
	schedSide side = iota
	clientSide
)

// stored returns a part of the base, which is not a tombstone. It aliases the
// file, or the group's arena.
func (d *draft) stored(p *plan, of side) (string, error) {
	k := d.base.pair().sched
	if of == clientSide {
		k = d.base.pair().client
	}
	r, err := p.r.record(k)
	if of == clientSide {
		return r.client, err
	}
	return r.sched, err
}

// same reports whether now has the content of was, an empty one being that of
// the base: first by their checksums, then by their bytes.
func (d *draft) same(p *plan, now, was part, of side) (bool, error) {
	if now.body == "" {
		return was.body == "", nil
	}
	if was.body != "" || d.created {
		return now.body == was.body, nil
	}
	sum := d.base.schedSum
	if of == clientSide {
		sum = d.base.clientSum
	}
	if now.sum != sum {
		return false, nil
	}
	stored, err := d.stored(p, of)
	return stored == now.body, err
}

// body returns the part to write: the new one, or else the stored one.
func (d *draft) body(p *plan, now part, of side) (string, error) {
	if now.body != "" {
		return now.body, nil
	}
	return d.stored(p, of)
}

// change encodes the record and makes its version.
func (d *draft) change(p *plan, r *record, k key) (*change, error) {
	ch := &change{id: d.id, v: new(version), before: d.base}
	if d.base != nil {
		ch.v.content = d.base.content
	}
	ch.v.take(r, k, d.job)
	if d.alive && d.alloc != nil {
		d.alloc.CreateIndex, d.alloc.ModifyIndex, d.alloc.AllocModifyIndex = ch.v.created, k.index, ch.v.schedIndex
		ch.v.alloc.Store(d.alloc)
	}
	if err := d.places(p, ch, r); err != nil {
		return nil, err
	}
	ch.key = k.appendTo(p.arena.take(keyLen))
	ch.value = r.appendTo(p.arena.take(r.size()), k)
	return ch, nil
}

// places sets where the allocation was and will be listed.
func (d *draft) places(p *plan, ch *change, r *record) (err error) {
	if r.flags&flagTombstone == 0 {
		if r.flags&flagSched == 0 || d.sched.body == "" {
			return nil
		}
		if ch.to, err = placementIn(d.sched.body); err != nil {
			return err
		}
	}
	if !d.wasAlive() {
		return nil
	}
	if a := d.base.alloc.Load(); a != nil {
		ch.from = placementOf(a)
		return nil
	}
	was, err := d.stored(p, schedSide)
	if err != nil {
		return err
	}
	ch.from, err = placementIn(strings.Clone(was))
	return err
}
