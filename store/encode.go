package store

import (
	"fmt"
	"strings"

	"allocstore/schema"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// finish appends the draft's change, under the key k, to the plan's. A draft that ends as
// it began has no change.
func (d *draft) finish(k record.Key) error {
	if !d.alive && !d.wasAlive() {
		return nil
	}
	if d.alive {
		if err := d.encode(schedSide); err != nil {
			return err
		}
		if err := d.encode(clientSide); err != nil {
			return err
		}
	}
	r, err := d.record(k)
	if err != nil || r.Flags == 0 {
		return err
	}
	return d.change(&r, k)
}

// encode encodes the fields of one side if they changed since their part was encoded.
func (d *draft) encode(of side) error {
	owner, fields, p := "client's", &d.clientFields, &d.client
	if of == schedSide {
		owner, fields, p = "scheduler's", &d.schedFields, &d.sched
	}
	if *fields == nil {
		return nil
	}
	edited, now := *fields, d.p.encode(of, *fields)
	*fields = nil
	if limit := d.p.limits.MaxAllocationBytes; len(now.body) > limit {
		if allowed, err := d.allowed(of, edited); err != nil {
			return err
		} else if len(now.body) > allowed {
			return fmt.Errorf("%w: allocation %v: %s part of %d bytes, Options.MaxAllocationBytes is %d",
				ErrTooLarge, d.id, owner, len(now.body), limit)
		}
	}
	*p = now
	return nil
}

// freeStatus is the length of a status and its description, together, that no limit refuses.
const freeStatus = 256

// allowed returns the length that an edited part above Options.MaxAllocationBytes may have: the
// length before the edits, with the status now if that is longer and short. So an allocation from
// before the limit was lowered can be stopped, and no event makes it longer.
func (d *draft) allowed(of side, now *schema.Allocation) (int, error) {
	before, err := d.fieldsNow(of)
	if err != nil {
		return 0, err
	}
	was := *before
	if n := statusLen(of, now); n <= freeStatus && n > statusLen(of, before) {
		was.ClientStatus, was.ClientDescription = now.ClientStatus, now.ClientDescription
		was.DesiredStatus, was.DesiredDescription = now.DesiredStatus, now.DesiredDescription
	}
	return len(d.p.encode(of, &was).body), nil
}

// statusLen returns the length of one side's status with its description.
func statusLen(of side, a *schema.Allocation) int {
	if of == schedSide {
		return len(a.DesiredStatus) + len(a.DesiredDescription)
	}
	return len(a.ClientStatus) + len(a.ClientDescription)
}

// record returns the record of the draft's change, without flags if nothing changed. Its
// parts may alias the file.
func (d *draft) record(k record.Key) (r record.Record, err error) {
	r.ID = d.id
	if d.base != nil {
		r.Prev = d.base.Pair()
	}
	if !d.alive {
		r.Flags = record.FlagTombstone
		return r, nil
	}
	sched, client, err := d.differs()
	if err != nil || !sched && !client {
		return r, err
	}
	if sched {
		r.Flags, r.Job, r.Created = record.FlagSched, d.job.Hash, k.Index
		if !d.created {
			r.Created = d.base.Created
		}
		if r.Sched, err = d.body(d.sched, schedSide); err != nil {
			return r, err
		}
	}
	if client {
		r.Flags |= record.FlagClient
		if r.Client, err = d.body(d.client, clientSide); err != nil {
			return r, err
		}
	}
	if d.next.set {
		r.Flags |= record.FlagNext
		r.Next = d.next.id
	}
	return r, nil
}

// body returns the part to write: now, or the stored one if now is empty.
func (d *draft) body(now part, of side) (string, error) {
	if now.body != "" {
		return now.body, nil
	}
	return d.stored(of)
}

// change appends the change that the record r under k makes.
func (d *draft) change(r *record.Record, k record.Key) error {
	if err := d.p.charge(&d.p.written, len(r.Sched)+len(r.Client), d.id); err != nil {
		return err
	}
	v := new(state.Version)
	sums := state.PartSums{Sched: d.sched.sum, Client: d.client.sum}
	if d.base != nil {
		v.Content = d.base.Content
		if d.sched.body == "" {
			sums.Sched = d.base.SchedSum
		}
		if d.client.body == "" {
			sums.Client = d.base.ClientSum
		}
		if r.Flags&(record.FlagSched|record.FlagTombstone) == 0 {
			v.ReuseScheduled(d.base)
		}
	}
	v.Advance(r, k, record.KeyLen+r.Size(), d.job, sums)
	move, err := d.move(r)
	if err != nil {
		return err
	}
	d.p.changes = append(d.p.changes, change{
		Change: state.Change{ID: d.id, V: v, Before: d.base, Move: move},
		key:    k,
		value:  r.AppendTo(d.p.arena.alloc(r.Size()), k),
	})
	return nil
}

// move returns the effect on the lists, or nil if the placement cannot have changed. It may
// alias the batch, which exists until it is answered.
func (d *draft) move(r *record.Record) (*state.ListMove, error) {
	if !r.Tombstone() && (r.Flags&record.FlagSched == 0 || d.sched.body == "") {
		return nil, nil
	}
	m := new(state.ListMove)
	var err error
	if !r.Tombstone() {
		if m.To, err = state.DecodePlacement(d.sched.body); err != nil {
			return nil, err
		}
	}
	if !d.wasAlive() {
		return m, nil
	}
	if a := d.base.Scheduled(); a != nil {
		m.From = state.PlacementOf(a)
		return m, nil
	}
	if d.p.st.Damaged.HasRecord(d.base.Pair().Sched) {
		m.FromUnknown = true
		return m, nil
	}
	was, err := d.stored(schedSide)
	if err != nil {
		return nil, err
	}
	m.From, err = state.DecodePlacement(strings.Clone(was))
	return m, err
}
