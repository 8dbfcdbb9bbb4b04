package plan

import (
	"fmt"
	"strings"

	"allocstore/schema"
	"allocstore/store/internal/state"
)

// fold applies one write. j is the job of an Upsert, nil to keep the stored one.
func (d *draft) fold(o *Op, j *state.Job) error {
	if d.isDamaged() && o.Kind != Delete {
		return d.refuse()
	}
	switch {
	case o.Kind == Upsert && d.alive:
		return d.update(o, j)
	case o.Kind == Upsert:
		return d.insert(o, j)
	case o.Kind == Client:
		d.parts[clientSide], d.fields[clientSide] = o.Client, nil
	case o.Kind == Event:
		return d.event(o.Event)
	case o.Kind == ClientStatus:
		return d.setStatus(clientSide, o.Status)
	case o.Kind == DesiredStatus:
		return d.setStatus(schedSide, o.Status)
	default:
		d.alive, d.damaged = false, false
	}
	return nil
}

// insert applies the scheduler's write of an allocation that does not exist.
func (d *draft) insert(o *Op, j *state.Job) error {
	if j == nil {
		return fmt.Errorf("%w: allocation %v", ErrNoJob, o.ID)
	}
	d.alive, d.created = true, true
	d.job, d.parts, d.next = j, [2]Part{o.Sched, o.Client}, o.Next
	clear(d.fields[:])
	return nil
}

// update applies the scheduler's write of an existing allocation. It counts as one only if
// it changes something.
func (d *draft) update(o *Op, j *state.Job) error {
	reported, err := d.report(o.Report)
	if err != nil {
		return err
	}
	if err := d.encode(schedSide); err != nil {
		return err
	}
	same, err := d.same(o.Sched, d.parts[schedSide], schedSide)
	if err != nil {
		return err
	}
	if o.Empty != 0 && !same {
		if err := d.requireKept(o.Empty); err != nil {
			return err
		}
	}
	if j == nil {
		j = d.job
	}
	if same && !reported && j == d.job && o.Next == d.next {
		return nil
	}
	d.wrote = true
	d.job, d.parts[schedSide], d.next = j, o.Sched, o.Next
	return nil
}

// report sets the ClientStatus that the scheduler reported, and returns whether that
// changes it.
func (d *draft) report(status string) (changed bool, err error) {
	if status == "" {
		return false, nil
	}
	was, err := d.fieldsNow(clientSide)
	if err != nil || was.ClientStatus == status {
		return false, err
	}
	now := *was
	now.ClientStatus = strings.Clone(status)
	d.fields[clientSide] = &now
	return true, nil
}

// event applies one task event. The task may have it already.
func (d *draft) event(te *TaskEvent) error {
	was, err := d.toEdit(clientSide)
	if err != nil {
		return err
	}
	if now := schema.RecordTaskEvent(was, te.Task, te.State, te.Event, 0); now != was {
		d.fields[clientSide] = now
	}
	return nil
}

// setStatus applies one side's write of its status. Like an update, the scheduler's counts as a
// write only if it changes something.
func (d *draft) setStatus(of side, to *Status) error {
	was, err := d.toEdit(of)
	if err != nil || statusOf(of, was) == *to {
		return err
	}
	now := *was
	to.set(of, &now)
	d.fields[of], d.wrote = &now, d.wrote || of == schedSide
	return nil
}

// statusOf returns one side's status in a.
func statusOf(of side, a *schema.Allocation) Status {
	if of == schedSide {
		return Status{a.DesiredStatus, a.DesiredDescription}
	}
	return Status{a.ClientStatus, a.ClientDescription}
}

// set sets one side's status in a.
func (s Status) set(of side, a *schema.Allocation) {
	if of == schedSide {
		a.DesiredStatus, a.DesiredDescription = s.Status, s.Description
	} else {
		a.ClientStatus, a.ClientDescription = s.Status, s.Description
	}
}

// requireKept refuses an update that would empty a required field. empty has those that are empty
// in the update.
func (d *draft) requireKept(empty Fields) error {
	is, err := d.fieldsNow(schedSide)
	if err != nil {
		return err
	}
	var set []string
	for i, value := range requiredValues(is) {
		if empty>>i&1 != 0 && value != "" {
			set = append(set, fmt.Sprintf("%s %q", required[i], value))
		}
	}
	if len(set) == 0 {
		return nil
	}
	return fmt.Errorf("%w: allocation %v: an update replaces every field and would empty %s; SetDesiredStatus changes the status alone",
		schema.ErrInvalid, d.id, strings.Join(set, ", "))
}

// toEdit is fieldsNow for a write that edits the fields. A stored part is charged once, because it
// may be written again.
func (d *draft) toEdit(of side) (*schema.Allocation, error) {
	if d.fields[of] == nil && d.parts[of].Body == "" && !d.charged[of] {
		d.charged[of] = true
		size := [...]uint32{schedSide: d.base.SchedLen(), clientSide: d.base.ClientLen()}[of]
		if err := d.p.charge(&d.p.edited, int(size), d.id); err != nil {
			return nil, err
		}
	}
	return d.fieldsNow(of)
}

// fieldsNow returns an allocation with the fields of one side as they are now. It may be the
// published one.
func (d *draft) fieldsNow(of side) (*schema.Allocation, error) {
	if d.fields[of] != nil {
		return d.fields[of], nil
	}
	body, decoded := d.parts[of].Body, &d.decoded[of]
	if decoded.fields != nil && decoded.body == body {
		return decoded.fields, nil
	}
	if body == "" {
		published := d.base.Current()
		if of == schedSide {
			published = d.base.DecodedScheduler()
		}
		if published != nil {
			return published, nil
		}
		var err error
		if body, err = d.stored(of); err != nil {
			return nil, err
		}
	}
	a := new(schema.Allocation)
	decoded.body, decoded.fields = d.parts[of].Body, a // an error refuses the batch
	if of == schedSide {
		return a, d.p.st.Codec.DecodeScheduler(body, d.id, a)
	}
	return a, d.p.st.Codec.DecodeClient(body, a)
}
