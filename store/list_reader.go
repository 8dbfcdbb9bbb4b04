package store

import (
	"errors"
	"math"
	"slices"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A listReader reads the changes of a list above an index, on a snapshot.
type listReader struct {
	sn      *Snapshot
	st      *state.State
	q       *lists.Query
	above   uint64               // 0: everything
	touched map[schema.ID]uint64 // members that changed, though their version does not show it

	result   *ListResult
	reported map[schema.ID]bool // those in the result, and members that cannot be read
	found    bool               // there is a change, which may be in faults only
	faults   error              // of the allocations that cannot be read
}

// since returns the departures above the index, and the changes that versions do not show.
func (c *listReader) since() (gone, touched []lists.Departure) {
	return c.st.Lists.Since(c.q, c.above, c.sn.index)
}

// read fills the result. An error is not limited to one allocation.
func (c *listReader) read(gone, touched []lists.Departure) error {
	for _, d := range touched {
		if c.touched == nil {
			c.touched = make(map[schema.ID]uint64)
		}
		c.touched[d.ID] = d.Index
	}
	if err := errors.Join(c.members(), c.unplaced()); err != nil {
		return err
	}
	c.gone(gone)
	_, err := c.sn.state()
	return err
}

// members adds the members that changed. In a long list it finds them by the log, if that is short.
func (c *listReader) members() error {
	ids, found, err := c.inLog()
	if err != nil {
		return err
	}
	if !found {
		return c.allMembers()
	}
	for _, id := range ids {
		if err := c.member(id); err != nil {
			return err
		}
	}
	return nil
}

const (
	// longList is the number of members from which on the log is read. logShare is the number of
	// members that can be looked at in the time of one record.
	longList = 1024
	logShare = 16
)

// inLog returns the members whose records are in the log above the index, in the order of their
// IDs. found is false if the store has too many records there: looking at all members is faster then.
// Compaction removes no record that the version at the snapshot's index needs.
func (c *listReader) inLog() (ids []schema.ID, found bool, err error) {
	members := c.st.Lists.Count(c.q)
	if c.above == 0 || members < longList {
		return nil, false, nil
	}
	in := make(map[schema.ID]bool, len(c.touched)) // false: looked at, and not in the list
	for id := range c.touched {
		in[id] = true
	}
	next := record.FirstAfter(c.above)
	for budget := members / logShare; next.Index <= c.sn.index && !next.Exhausted(); budget -= recordsPerRead {
		if budget < 0 {
			return nil, false, nil
		}
		if next, err = c.readLog(next, in); err != nil {
			return nil, false, err
		}
	}
	// Read at last: an allocation that has left after the snapshot may have been looked at since.
	left, _ := c.st.Lists.Since(c.q, c.sn.index, math.MaxUint64)
	for _, d := range left {
		in[d.ID] = true
	}
	for id, member := range in {
		if member {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, schema.ID.Compare)
	return ids, true, nil
}

// readLog sets in for the allocations of the next records, and returns the key of the record after
// them.
func (c *listReader) readLog(from record.Key, in map[schema.ID]bool) (next record.Key, err error) {
	n := 0
	next = record.FirstAfter(c.sn.index)
	err = c.st.File.View(func(t logfile.Tx) error {
		for e, err := range t.Records(from) {
			if err != nil || e.Key.Index > c.sn.index {
				return err
			}
			if n == recordsPerRead {
				next = e.Key
				return nil
			}
			n++
			if _, known := in[e.ID]; !known {
				in[e.ID] = c.q.IDs.Has(e.ID) && c.st.Lists.Has(c.q.Name, e.ID)
			}
		}
		return nil
	})
	return next, err
}

// allMembers looks at all members.
func (c *listReader) allMembers() error {
	p := newPager(c.st, c.q, c.sn.index)
	defer p.release()
	for p.next() {
		p.lookUp()
		for i, id := range p.ids {
			if a := p.found.Allocs[i]; a != nil && a.ModifyIndex <= c.sn.index && c.changed(id, a.ModifyIndex, a.AllocModifyIndex) <= c.above {
				continue
			}
			if err := c.member(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// member adds one member if it changed.
func (c *listReader) member(id schema.ID) error {
	v := c.st.Table.Get(&id)
	if v == nil || v.Modified() <= c.sn.index && c.changed(id, v.Modified(), v.Scheduled()) <= c.above {
		return nil
	}
	a, err := c.sn.at(id)
	if err != nil {
		c.reported[id] = true
		return c.fault(v, err)
	}
	if !c.q.Holds(a) {
		return nil
	}
	if index := c.changed(id, a.ModifyIndex, a.AllocModifyIndex); index > c.above {
		c.add(index)
		c.reported[id] = true
		c.result.Changed = append(c.result.Changed, a)
	}
	return nil
}

// unplaced adds the errors of quarantined allocations that may belong to the list.
func (c *listReader) unplaced() (err error) {
	c.sn.eachUnplaced(c.st, c.q, func(id schema.ID) bool {
		v := c.st.Table.Get(&id)
		if v == nil || v.Modified() <= c.above {
			return true
		}
		if _, fault := c.sn.at(id); fault != nil {
			c.reported[id] = true // it is unknown whether it has left
			err = c.fault(v, fault)
		}
		return err == nil
	})
	return err
}

// fault notes that an allocation cannot be read, or returns err if it is not limited to one.
func (c *listReader) fault(v *state.Version, err error) error {
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMutated) {
		return err
	}
	c.faults = errors.Join(c.faults, err)
	c.add(min(v.Modified(), c.sn.index))
	return nil
}

// add notes that something happened at an index.
func (c *listReader) add(index uint64) {
	c.found = true
	c.result.Index = max(c.result.Index, index)
}

// changed returns the index of a member's latest change that counts in the list.
func (c *listReader) changed(id schema.ID, modified, scheduled uint64) uint64 {
	if c.q.Placements() {
		return max(scheduled, c.touched[id])
	}
	return modified
}

// gone adds the departures of those that are not back, each once.
func (c *listReader) gone(all []lists.Departure) {
	for i := len(all) - 1; i >= 0; i-- {
		d := &all[i]
		c.add(d.Index)
		if !c.reported[d.ID] {
			c.reported[d.ID] = true
			c.result.Gone = append(c.result.Gone, Departure{ID: d.ID.String(), Index: d.Index, Reason: DepartureReason(d.Reason)})
		}
	}
	slices.Reverse(c.result.Gone)
}
