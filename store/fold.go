package store

import (
	"fmt"
	"strings"

	"allocstore/schema"
)

// start begins at the base, which is no tombstone.
func (d *draft) start() error {
	d.alive, d.job = true, d.base.Job
	d.damaged = d.p.st.Damaged.Covers(d.base)
	if !d.base.HasNext() || d.damaged {
		return nil
	}
	newest, err := d.p.tx.Version(d.id, d.base.Pair().Newest())
	d.next = optionalID{newest.Next, true}
	d.baseNext = d.next
	return err
}

// fold applies one write.
func (d *draft) fold(o *op) error {
	if d.isDamaged() && o.kind != opDelete {
		return d.refuse()
	}
	switch o.kind {
	case opUpsert:
		return d.upsert(o)
	case opClient:
		d.client, d.fields = o.client, nil
		return nil
	case opEvent:
		return d.event(o.event)
	default:
		d.alive, d.damaged = false, false
		return nil
	}
}

func (d *draft) isDamaged() bool { return d.alive && d.damaged }

// refuse returns the error of a write to a quarantined allocation.
func (d *draft) refuse() error {
	return fmt.Errorf("%w: allocation %v: %s is damaged: the allocation can only be deleted", ErrCorrupt, d.id, d.p.st.Damaged.Part(d.base))
}

// upsert applies the scheduler's write, and links the allocation that it replaces.
func (d *draft) upsert(o *op) error {
	var err error
	if d.alive {
		err = d.update(o)
	} else {
		err = d.insert(o)
	}
	if err != nil || !o.previous.set {
		return err
	}
	previous, err := d.p.draft(o.previous.id)
	if err == nil && previous.isDamaged() {
		err = previous.refuse()
	}
	if err == nil && previous.alive {
		previous.next = optionalID{o.id, true}
	}
	return err
}

func (d *draft) insert(o *op) error {
	if o.job == nil {
		return fmt.Errorf("%w: allocation %v", ErrNoJob, o.id)
	}
	d.alive, d.created = true, true
	d.job, d.sched, d.client = d.p.canonical(o.job), o.sched, o.client
	d.next, d.fields = o.next, nil
	return nil
}

// update applies the scheduler's write of an existing allocation. It counts as one only if
// it changes something.
func (d *draft) update(o *op) error {
	reported, err := d.report(o.report)
	if err != nil {
		return err
	}
	same, err := d.same(o.sched, d.sched, schedSide)
	if err != nil {
		return err
	}
	j := d.job
	if o.job != nil {
		j = d.p.canonical(o.job)
	}
	if same && !reported && j == d.job && o.next == d.next {
		return nil
	}
	d.wrote = true
	d.job, d.sched, d.next = j, o.sched, o.next
	return nil
}

// report sets the ClientStatus that the scheduler reported, and returns whether that
// changes it.
func (d *draft) report(status string) (changed bool, err error) {
	if status == "" {
		return false, nil
	}
	was, err := d.clientFields()
	if err != nil || was.ClientStatus == status {
		return false, err
	}
	now := *was
	now.ClientStatus = strings.Clone(status)
	d.fields = &now
	return true, nil
}

// event applies one task event.
func (d *draft) event(te *taskEvent) error {
	if d.fields == nil && d.client.body == "" { // it adds to the stored part
		if err := d.p.charge(&d.p.kept, int(d.base.ClientLen()), d.id); err != nil {
			return err
		}
	}
	was, err := d.clientFields()
	if err != nil {
		return err
	}
	d.fields = schema.RecordTaskEvent(was, te.task, te.state, te.event, 0)
	return nil
}

// clientFields returns an allocation with the client's fields as they are now. It may be
// the published one.
func (d *draft) clientFields() (*schema.Allocation, error) {
	if d.fields != nil {
		return d.fields, nil
	}
	body := d.client.body
	if body == "" {
		if a := d.base.Current(); a != nil {
			return a, nil
		}
		var err error
		if body, err = d.stored(clientSide); err != nil {
			return nil, err
		}
	}
	a := new(schema.Allocation)
	return a, d.p.st.Codec.DecodeClient(body, a)
}
