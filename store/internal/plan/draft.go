package plan

import (
	"fmt"

	"allocstore/schema"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A draft is one allocation in the course of one batch; see the package comment.
type draft struct {
	p    *Plan
	id   schema.ID
	base *state.Version // from before the batch; nil if the store did not remember the ID

	alive   bool // the allocation exists now
	created bool // this batch inserted it; both parts are replaced
	writes  int  // how many of the batch's writes it had
	unknown bool // a write did not find it
	damaged bool // the base is quarantined, and not yet deleted

	job      *state.Job
	next     OptionalID // NextAllocation
	baseNext OptionalID // NextAllocation before the batch

	wrote bool // a scheduler's update changed it: AllocModifyIndex becomes the batch's

	// By side. The fields are those now if they changed since the part was encoded, else nil.
	// Fields are replaced and never changed.
	parts   [2]Part // replace the stored ones, unless empty
	fields  [2]*schema.Allocation
	decoded [2]struct { // the part that was decoded last, as in parts
		body   string
		fields *schema.Allocation
	}
	charged [2]bool // the stored part is in Plan.edited
}

// wasAlive reports whether the allocation existed before the batch.
func (d *draft) wasAlive() bool { return d.base != nil && !d.base.Tombstone() }

// A side is one of the two parts of an allocation.
type side uint8

const (
	schedSide side = iota
	clientSide
)

func (of side) String() string { return [...]string{"scheduler's", "client's"}[of] }

// stored returns a part of the base, which is no tombstone. It aliases the file, or the
// group's arena.
func (d *draft) stored(of side) (string, error) {
	if of == clientSide {
		r, err := d.p.tx.Version(d.id, d.base.Pair().Client)
		return r.Client, err
	}
	r, err := d.p.tx.Version(d.id, d.base.Pair().Sched)
	return r.Sched, err
}

// fold folds one write into its draft, and links the allocation that it replaces.
func (p *Plan) fold(o *Op, a *Applied) error {
	d, err := p.draft(o.ID)
	if err != nil {
		return err
	}
	if o.Kind != Upsert && !d.alive {
		if !d.unknown {
			d.unknown = true
			a.Unknown = append(a.Unknown, o.ID.String())
		}
		return nil
	}
	d.writes++
	var j *state.Job
	if o.Job != nil {
		j = p.jobs.canonical(o.Job)
	}
	if err := d.fold(o, j); err != nil || !o.Previous.Set {
		return err
	}
	previous, err := p.draft(o.Previous.ID)
	if err != nil {
		return err
	}
	return previous.replacedBy(o.ID)
}

// draft returns the draft of id, which starts at the newest version.
func (p *Plan) draft(id schema.ID) (*draft, error) {
	d, isNew := p.drafts.of(id)
	if !isNew {
		return d, nil
	}
	d.p, d.base = p, p.Newest(&id)
	if d.wasAlive() {
		if err := d.start(); err != nil {
			return nil, fmt.Errorf("allocation %v: %w", id, err)
		}
	}
	return d, nil
}

// replacedBy notes that the allocation id replaces this one, if this one exists.
func (d *draft) replacedBy(id schema.ID) error {
	if d.isDamaged() {
		return d.refuse()
	}
	if d.alive {
		d.next = OptionalID{id, true}
	}
	return nil
}

func (d *draft) isDamaged() bool { return d.alive && d.damaged }

// refuse returns the error of a write to a quarantined allocation.
func (d *draft) refuse() error {
	return fmt.Errorf("%w: allocation %v: %s is damaged: the allocation can only be deleted", record.ErrCorrupt, d.id, d.p.st.Damaged.DamagedPart(d.base))
}

// Newest returns the newest version of id, in the group or before it, or nil.
func (p *Plan) Newest(id *schema.ID) *state.Version {
	if len(p.overlay) > 0 {
		if v := p.overlay[*id]; v != nil {
			return v
		}
	}
	return p.st.Table.Get(id)
}

// start begins at the base, which is no tombstone.
func (d *draft) start() error {
	d.alive, d.job = true, d.base.Job
	d.damaged = d.p.st.Damaged.Covers(d.base)
	if !d.base.HasNext() || d.p.st.Damaged.HasRecord(d.base.Pair().Newest()) {
		return nil
	}
	newest, err := d.p.tx.Version(d.id, d.base.Pair().Newest())
	d.next = OptionalID{newest.Next, true}
	d.baseNext = d.next
	return err
}

// drafts are the drafts of one batch, in the order of their first writes. Their memory is
// reused from batch to batch.
type drafts struct {
	all  []*draft
	byID map[schema.ID]*draft
	free []*draft
}

// of returns the draft of id, and whether it is new.
func (ds *drafts) of(id schema.ID) (d *draft, isNew bool) {
	if d = ds.byID[id]; d != nil {
		return d, false
	}
	if n := len(ds.free); n > 0 {
		d, ds.free = ds.free[n-1], ds.free[:n-1]
	} else {
		d = new(draft)
	}
	d.id = id
	if ds.byID == nil {
		ds.byID = make(map[schema.ID]*draft)
	}
	ds.byID[id] = d
	ds.all = append(ds.all, d)
	return d, true
}

// keptDrafts bounds the memory that is kept for the next batch.
const keptDrafts = 4096

// reset forgets the batch.
func (ds *drafts) reset() {
	if len(ds.all) > keptDrafts {
		*ds = drafts{}
		return
	}
	for _, d := range ds.all {
		*d = draft{}
	}
	ds.free = append(ds.free, ds.all...)
	clear(ds.all)
	ds.all = ds.all[:0]
	clear(ds.byID)
}
