package store

import (
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A window tells which version each allocation had at the floor of a pass. It follows the
// log from the floor on: the first record of an allocation there names the version before.
type window struct {
	st    *state.State
	floor uint64
	next  record.Key                // the first key that has not been read
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

// follow reads the log up to its end.
func (w *window) follow() error {
	for more := true; more; {
		err := w.st.File.View(func(t logfile.Tx) (err error) {
			more, err = w.followSome(t)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// followSome reads as much as one transaction may, and reports whether there is more.
func (w *window) followSome(t logfile.Tx) (more bool, err error) {
	n := 0
	for e, err := range t.Records(w.next) {
		if err != nil || n == sweepRecords {
			return true, err
		}
		if _, seen := w.at[e.ID]; !seen {
			w.at[e.ID] = e.Prev
		}
		w.next = e.Key.Next()
		n++
	}
	return false, nil
}

// version returns the version that id had at the floor, and whether it is a tombstone and
// still the newest. known is false for an allocation whose later change has not been read.
func (w *window) version(id *schema.ID) (p record.Pair, tombstone, known bool) {
	if p, ok := w.at[*id]; ok {
		return p, false, true
	}
	v := w.st.Table.Get(id)
	if v == nil || v.Modified() > w.floor {
		return record.Pair{}, false, false
	}
	return v.Pair(), v.Tombstone(), true
}

// found is the result of one search for dead records.
type found struct {
	dead []deadRecord
	next record.Key // where to go on
	more bool       // there may be more
}

// find searches for dead records from a key on.
func (w *window) find(from record.Key) (f found, err error) {
	if err := w.follow(); err != nil {
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
			if d, dead := w.dead(&e); dead {
				f.dead = append(f.dead, d)
			}
			n++
		}
		return nil
	})
	return f, err
}

// dead reports whether the record, which is not above the floor, is dead.
func (w *window) dead(e *logfile.Entry) (deadRecord, bool) {
	p, tombstone, known := w.version(&e.ID)
	needed := p.Sched == e.Key || p.Client == e.Key
	if !known || needed && !tombstone {
		return deadRecord{}, false
	}
	return deadRecord{key: e.Key, id: e.ID, size: e.Size(), sum: record.SumNumber(e.Key, e.Value), forget: needed}, true
}
