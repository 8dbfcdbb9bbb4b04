package store

import (
	"fmt"
	"strings"

	"allocstore/schema"
	"allocstore/store/internal/state"
)

// fold applies one write. j is the job of an Upsert, nil to keep the stored one.
func (d *draft) fold(o *op, j *state.Job) error {
	if d.isDamaged() && o.kind != opDelete {
		return d.refuse()
	}
	switch {
	case o.kind == opUpsert && d.alive:
		return d.update(o, j)
	case o.kind == opUpsert:
		return d.insert(o, j)
	case o.kind == opClient:
		d.client, d.fields = o.client, nil
	case o.kind == opEvent:
		return d.event(o.event)
	default:
		d.alive, d.damaged = false, false
	}
	return nil
}

// insert applies the scheduler's write of an allocation that does not exist.
func (d *draft) insert(o *op, j *state.Job) error {
	if j == nil {
		return fmt.Errorf("%w: allocation %v", ErrNoJob, o.id)
	}
	d.alive, d.created = true, true
	d.job, d.sched, d.client = j, o.sched, o.client
	d.next, d.fields = o.next, nil
	return nil
}

// update applies the scheduler's write of an existing allocation. It counts as one only if
// it changes something.
func (d *draft) update(o *op, j *state.Job) error {
	reported, err := d.report(o.report)
	if err != nil {
		return err
	}
	same, err := d.same(o.sched, d.sched, schedSide)
	if err != nil {
		return err
	}
	if j == nil {
		j = d.job
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
