package plan

import (
	"fmt"

	"allocstore/schema"
	"allocstore/store/internal/lists"
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
	err := d.checkSize(of, fields, len(now.Body))
	d.parts[of] = now
	return err
}

// FreeStatus is the length of a status and its description, together, that no limit refuses.
const FreeStatus = 256

// checkSize refuses an edited part above the batch's limit if it is longer than before the edits, a
// short status aside. So an allocation from before the limit was lowered can be stopped, and no event
// makes it longer.
func (d *draft) checkSize(of side, now *schema.Allocation, size int) error {
	limit := d.p.limits.AllocationBytes
	if size <= limit {
		return nil
	}
	before, err := d.fieldsNow(of)
	if err != nil {
		return err
	}
	was, is := *before, statusOf(of, now)
	if n := is.Len(); n <= FreeStatus && n > statusOf(of, before).Len() {
		is.set(of, &was)
	}
	if size > len(d.p.encode(of, &was).Body) {
		return fmt.Errorf("%w: allocation %v: %v part of %d bytes, %sAllocationBytes is %d", record.ErrTooLarge, d.id, of, size, d.p.limits.Of, limit)
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
	if d.next.Set {
		r.Flags |= record.FlagNext
		r.Next = d.next.ID
	}
	return r, nil
}

// body returns the part to write, which may be the stored one.
func (d *draft) body(of side) (string, error) {
	if now := d.parts[of].Body; now != "" {
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
	parts := state.Parts{SchedSum: sched.sum, ClientSum: client.sum}
	if d.base != nil {
		v.Content = d.base.Content
		if sched.Body == "" {
			parts.SchedSum = d.base.SchedSum
		}
		if client.Body == "" {
			parts.ClientSum = d.base.ClientSum
		}
		if r.Flags&(record.FlagSched|record.FlagTombstone) == 0 {
			v.ReuseScheduled(d.base)
		}
	}
	var err error
	if parts.Place, err = d.place(); err != nil {
		return err
	}
	v.Advance(r, k, record.KeyLen+r.Size(), d.job, parts)
	d.p.changes = append(d.p.changes, Change{
		Change: state.Change{ID: d.id, V: v, Before: d.base, Linked: d.next.Set && d.next != d.baseNext},
		Key:    k,
		Value:  r.AppendTo(d.p.arena.alloc(r.Size()), k),
		Digest: d.digestChange(v),
	})
	return nil
}

// digestChange returns what the new version v adds to the digest.
func (d *draft) digestChange(v *state.Version) uint64 {
	n := v.DigestNumber(&d.id, &d.next.ID)
	if d.base != nil {
		n -= d.base.DigestNumber(&d.id, &d.baseNext.ID)
	}
	return n
}

// place returns the place of the allocation after the batch.
func (d *draft) place() (at lists.Place, err error) {
	if !d.alive {
		return at, nil
	}
	if d.wasAlive() {
		at = d.base.Place
	}
	if sched := d.parts[schedSide]; sched.Body != "" {
		p, err := codec.Placement(sched.Body)
		if err != nil {
			return at, err
		}
		to := lists.PlacementOf(p)
		at = d.p.st.Lists.Place(&to, at.Terminal)
		at.Terminal.Set(lists.ServerTerminal, sched.terminal)
	}
	if client := d.parts[clientSide]; client.Body != "" {
		at.Terminal.Set(lists.ClientTerminal, client.terminal)
	}
	return at, nil
}
