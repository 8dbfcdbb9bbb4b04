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
	damaged bool // the base is quarantined, and not yet deleted

	job           *job
	sched, client part       // what replaces the stored parts; empty where nothing does
	next          optionalID // NextAllocation
	baseNext      optionalID // NextAllocation before the batch

	wrote bool // a scheduler's update changed it: AllocModifyIndex moves

	// state has the client's fields as they are now, if they were changed since
	// client was encoded, else it is nil. It is replaced and never changed.
	state *schema.Allocation
}

// begin takes over the base, which is not a tombstone.
func (d *draft) begin(p *plan) error {
	d.alive, d.job = true, d.base.job
	d.damaged = p.s.quarantine.covers(d.base)
	if !d.base.hasNext() || d.damaged {
		return nil
	}
	newest, err := p.r.version(d.id, d.base.pair().newest())
	d.next = optionalID{newest.next, true}
	d.baseNext = d.next
	return err
}

// content returns an allocation with the client's fields as they are now. It
// may be the published one.
func (d *draft) content(p *plan) (*schema.Allocation, error) {
	if d.state != nil {
		return d.state, nil
	}
	body := d.client.body
	if body == "" {
		if a := d.base.current(); a != nil {
			return a, nil
		}
		var err error
		if body, err = d.stored(p, clientSide); err != nil {
			return nil, err
		}
	}
	a := new(schema.Allocation)
	return a, schema.DecodeClient(strings.Clone(body), a)
}

// refuse is the answer to a write of a quarantined allocation.
func (d *draft) refuse(p *plan) error {
	return fmt.Errorf("%w: allocation %v: %s is damaged: the allocation can only be deleted", ErrCorrupt, d.id, p.s.quarantine.what(d.base))
}

// upsert is the scheduler's write.
func (d *draft) upsert(p *plan, o *op) error {
	if !d.alive {
		return d.insert(p, o)
	}
	reports, err := d.report(p, o.report)
	if err != nil {
		return err
	}
	same, err := d.same(p, o.sched, d.sched, schedSide)
	if err != nil {
		return err
	}
	j := d.job
	if o.job != nil {
		j = p.canonical(o.job)
	}
	if same && !reports && j == d.job && o.next == d.next {
		return nil
	}
	d.wrote = true
	d.job, d.sched, d.next = j, o.sched, o.next
	return nil
}

// report sets the ClientStatus that the scheduler may set, if there is one, and
// tells whether that changes it.
func (d *draft) report(p *plan, status string) (bool, error) {
	if status == "" {
		return false, nil
	}
	was, err := d.content(p)
	if err != nil || was.ClientStatus == status {
		return false, err
	}
	now := *was
	now.ClientStatus = strings.Clone(status)
	d.state = &now
	return true, nil
}

func (d *draft) insert(p *plan, o *op) error {
	if o.job == nil {
		return fmt.Errorf("%w: allocation %v", ErrNoJob, o.id)
	}
	d.alive, d.created = true, true
	d.job, d.sched, d.client = p.canonical(o.job), o.sched, o.client
	d.next, d.state = o.next, nil
	return nil
}

// update is the client's write.
func (d *draft) update(o *op) { d.client, d.state = o.client, nil }

// record is one task event.
func (d *draft) record(p *plan, te *taskEvent) error {
	if d.state == nil && d.client.body == "" { // it adds to what is stored
		if err := p.charge(&p.kept, int(d.base.clientLen()), d.id); err != nil {
			return err
		}
	}
	was, err := d.content(p)
	if err != nil {
		return err
	}
	d.state = schema.RecordTaskEvent(was, te.task, te.state, te.event, 0)
	return nil
}

// link makes next the one that replaces this allocation.
func (d *draft) link(next schema.ID) {
	if d.alive {
		d.next = optionalID{next, true}
	}
}

// settle adds the change that the draft has come to, at k, to the plan's. It
// adds nothing if the draft has come to nothing.
func (d *draft) settle(p *plan, k key) error {
	if !d.alive && !d.wasAlive() {
		return nil
	}
	if d.state != nil && d.alive {
		d.client = newPart(p.encode(d.state))
		if limit := p.s.opts.MaxAllocationBytes; len(d.client.body) > limit {
			return fmt.Errorf("%w: allocation %v: client's part of %d bytes, Options.MaxAllocationBytes is %d",
				ErrTooLarge, d.id, len(d.client.body), limit)
		}
	}
	r, err := d.result(p, k)
	if err != nil || r.flags == 0 {
		return err
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
	r, err := p.r.version(d.id, k)
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

// change adds the change that the record r at k makes.
func (d *draft) change(p *plan, r *record, k key) error {
	v := new(version)
	schedSum, clientSum := d.sched.sum, d.client.sum
	if d.base != nil {
		v.content = d.base.content
		if d.sched.body == "" {
			schedSum = d.base.schedSum
		}
		if d.client.body == "" {
			clientSum = d.base.clientSum
		}
		if r.flags&(flagSched|flagTombstone) == 0 {
			v.alloc.Store(d.base.alloc.Load())
		}
	}
	if err := p.charge(&p.parts, len(r.sched)+len(r.client), d.id); err != nil {
		return err
	}
	v.take(r, k, d.job, keyLen+r.size(), schedSum, clientSum)
	ch := change{id: d.id, v: v, before: d.base, key: k}
	var err error
	if ch.relist, err = d.relisting(p, r); err != nil {
		return err
	}
	ch.value = r.appendTo(p.arena.take(r.size()), k)
	p.changes = append(p.changes, ch)
	return nil
}

// relisting returns where the allocation was and will be listed, or nil if that
// cannot have changed. It may alias the batch, which is there until it is answered.
func (d *draft) relisting(p *plan, r *record) (*relisting, error) {
	moved := new(relisting)
	var err error
	if !r.tombstone() {
		if r.flags&flagSched == 0 || d.sched.body == "" {
			return nil, nil
		}
		if moved.to, err = placementIn(d.sched.body); err != nil {
			return nil, err
		}
	}
	if !d.wasAlive() {
		return moved, nil
	}
	if a := d.base.alloc.Load(); a != nil {
		moved.from = placementOf(a)
		return moved, nil
	}
	if p.s.quarantine.hasRecord(d.base.pair().sched) {
		moved.unplaced = true
		return moved, nil
	}
	was, err := d.stored(p, schedSide)
	if err != nil {
		return nil, err
	}
	moved.from, err = placementIn(strings.Clone(was))
	return moved, err
}
