package compaction

import (
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A window tells which version each allocation had at the floor of a pass. That is the newest
// version, unless the allocation has changed since. To find those, the window reads the log
// from the floor on: the first record of an allocation there names the version before it.
// Following each allocation back by its records costs a lookup for each: placements beside a
// pass then took 9 % longer.
type window struct {
	st    *state.State
	floor uint64
	next  record.Key                // the first record that was not read yet
	at    map[schema.ID]record.Pair // versions at the floor of allocations that changed since
}

const (
	// sweepRecords and sweepDead bound the records read and found in one transaction.
	sweepRecords = 4096
	sweepDead    = 1024
)

func newWindow(st *state.State, floor uint64) *window {
	return &window{st: st, floor: floor, next: record.FirstAfter(floor), at: make(map[schema.ID]record.Pair)}
}

// found is the result of one search for dead records.
type found struct {
	dead []DeadRecord
	next record.Key // where to go on
	more bool       // there may be more
}

// find searches for dead records from a key on.
func (w *window) find(from record.Key) (f found, err error) {
	for more := true; more && err == nil; {
		more, err = w.follow()
	}
	if err != nil {
		return f, err
	}
	err = w.st.File.View(func(t logfile.Tx) error {
		n := 0
		for e, err := range t.Records(from) {
			if err != nil || e.Key.Index > w.floor {
				return err
			}
			if n == sweepRecords || len(f.dead) == sweepDead {
				f.next, f.more = e.Key, true
				return nil
			}
			needed, tombstone := w.needs(&e)
			if !needed || tombstone {
				f.dead = append(f.dead, DeadRecord{key: e.Key, id: e.ID, size: e.Size(), sum: record.SumNumber(e.Key, e.Value), forget: needed})
			}
			n++
		}
		return nil
	})
	return f, err
}

// follow reads records above the floor, as many as one transaction may, and reports whether
// there are more.
func (w *window) follow() (more bool, err error) {
	err = w.st.File.View(func(t logfile.Tx) error {
		n := 0
		for e, err := range t.Records(w.next) {
			if more = n == sweepRecords; err != nil || more {
				return err
			}
			if _, changed := w.at[e.ID]; !changed {
				w.at[e.ID] = e.Prev
			}
			w.next = e.Key.Next()
			n++
		}
		return nil
	})
	return more, err
}

// needs reports whether the version at the floor needs the record, which is not above the
// floor, and whether that version is a tombstone and still the newest. The records of an
// allocation that changed after the last record that was read stay until the next pass.
func (w *window) needs(e *logfile.Entry) (needed, tombstone bool) {
	p, changed := w.at[e.ID]
	if !changed {
		v := w.st.Table.Get(&e.ID)
		if v == nil || v.Modified() > w.floor {
			return true, false // nil: the ID is being forgotten, with this record
		}
		p, tombstone = v.Pair(), v.Tombstone()
	}
	return p.Sched == e.Key || p.Client == e.Key, tombstone
}
