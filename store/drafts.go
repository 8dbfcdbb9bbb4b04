package store

import "allocstore/schema"

// drafts are those of one batch, in the order in which they were begun. Their
// memory is used again from batch to batch.
type drafts struct {
	all  []*draft
	free []*draft

	// byID finds a draft among many; few are looked through.
	byID map[schema.ID]*draft
}

const fewDrafts = 8

// of returns the draft of id, and whether it is a new one.
func (ds *drafts) of(id schema.ID) (d *draft, isNew bool) {
	if d = ds.find(id); d != nil {
		return d, false
	}
	if n := len(ds.free); n > 0 {
		d, ds.free = ds.free[n-1], ds.free[:n-1]
	} else {
		d = new(draft)
	}
	d.id = id
	ds.all = append(ds.all, d)
	if len(ds.all) > fewDrafts {
		ds.index()
		ds.byID[id] = d
	}
	return d, true
}

func (ds *drafts) find(id schema.ID) *draft {
	if len(ds.all) > fewDrafts {
		return ds.byID[id]
	}
	for _, d := range ds.all {
		if d.id == id {
			return d
		}
	}
	return nil
}

// index makes byID of the few, when they become many.
func (ds *drafts) index() {
	if len(ds.byID) > 0 {
		return
	}
	if ds.byID == nil {
		ds.byID = make(map[schema.ID]*draft)
	}
	for _, d := range ds.all {
		ds.byID[d.id] = d
	}
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
