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
	for of := schedSide; d.alive && of <= clientSide; of++ {
		if err := d.encode(of); err != nil {
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
	fields := d.fields[of]
	if fields == nil {
		return nil
	}
	now := d.p.encode(of, fields)
	d.fields[of] = nil
	err := d.checkSize(of, fields, len(now.body))
	d.parts[of] = now
	return err
}

// freeStatus is the length of a status and its description, together, that no limit refuses.
const freeStatus = 256

// checkSize refuses an edited part above Options.MaxAllocationBytes if it is longer than before the
// edits, a short status aside. So an allocation from before the limit was lowered can be stopped,
// and no event makes it longer.
func (d *draft) checkSize(of side, now *schema.Allocation, size int) error {
	limit := d.p.limits.MaxAllocationBytes
	if size <= limit {
		return nil
	}
	before, err := d.fieldsNow(of)
	if err != nil {
		return err
	}
	was, is := *before, statusOf(of, now)
	if n := is.len(); n <= freeStatus && n > statusOf(of, before).len() {
		is.set(of, &was)
	}
	if size > len(d.p.encode(of, &was).body) {
		return fmt.Errorf("%w: allocation %v: %v part of %d bytes, Options.MaxAllocationBytes is %d", ErrTooLarge, d.id, of, size, limit)
	}
	return nil
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
		if r.Sched, err = d.body(schedSide); err != nil {
			return r, err
		}
	}
	if client {
		r.Flags |= record.FlagClient
		if r.Client, err = d.body(clientSide); err != nil {
			return r, err
		}
	}
	if d.next.set {
		r.Flags |= record.FlagNext
		r.Next = d.next.id
	}
	return r, nil
}

// body returns the part to write, which may be the stored one.
func (d *draft) body(of side) (string, error) {
	if now := d.parts[of].body; now != "" {
		return now, nil
	}
	return d.stored(of)
}

// change appends the change that the record r under k makes.
func (d *draft) change(r *record.Record, k record.Key) error {
	if err := d.p.charge(&d.p.written, len(r.Sched)+len(r.Client), d.id); err != nil {
		return err
	}
	v := new(state.Version)
	sched, client := d.parts[schedSide], d.parts[clientSide]
	sums := state.PartSums{Sched: sched.sum, Client: client.sum}
	if d.base != nil {
		v.Content = d.base.Content
		if sched.body == "" {
			sums.Sched = d.base.SchedSum
		}
		if client.body == "" {
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
	now := d.parts[schedSide].body
	if !r.Tombstone() && (r.Flags&record.FlagSched == 0 || now == "") {
		return nil, nil
	}
	m := new(state.ListMove)
	var err error
	if !r.Tombstone() {
		if m.To, err = state.DecodePlacement(now); err != nil {
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
