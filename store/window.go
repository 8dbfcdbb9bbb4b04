package store

import (
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A window tells which version each allocation had at the floor of a pass. That is the newest
// version, unless the allocation has changed since. Then the records above the floor, which
// compaction does not remove, lead back to it.
type window struct {
	st    *state.State
	floor uint64
	at    map[schema.ID]record.Pair // versions at the floor of allocations that changed since
}

const (
	// sweepRecords and sweepDead bound the records read and found in one transaction.
	sweepRecords = 4096
	sweepDead    = 1024
)

func newWindow(st *state.State, floor uint64) *window {
	return &window{st: st, floor: floor, at: make(map[schema.ID]record.Pair)}
}

// found is the result of one search for dead records.
type found struct {
	dead []deadRecord
	next record.Key // where to go on
	more bool       // there may be more
}

// find searches for dead records from a key on.
func (w *window) find(from record.Key) (f found, err error) {
	last := w.st.Index.Last() // before the transaction, which has everything up to it
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
			needed, tombstone, err := w.needs(t, last, &e)
			if err != nil {
				return err
			}
			if !needed || tombstone {
				f.dead = append(f.dead, deadRecord{key: e.Key, id: e.ID, size: e.Size(), sum: record.SumNumber(e.Key, e.Value), forget: needed})
			}
			n++
		}
		return nil
	})
	return f, err
}

// needs reports whether the version at the floor needs the record, which is not above the
// floor, and whether that version is a tombstone and still the newest. The transaction may
// lack versions above the index last. Those cannot be followed to the floor, so the records of
// their allocations stay until the next pass.
func (w *window) needs(t logfile.Tx, last uint64, e *logfile.Entry) (needed, tombstone bool, err error) {
	p, ok := w.at[e.ID]
	if !ok {
		v := w.st.Table.Get(&e.ID)
		if v == nil || v.Modified() > last {
			return true, false, nil // or the ID is being forgotten, with this record
		}
		p, tombstone = v.Pair(), v.Tombstone()
		if v.Modified() > w.floor {
			if p, err = state.VersionAt(t, e.ID, p, w.floor); err != nil {
				return false, false, err
			}
			w.at[e.ID], tombstone = p, false
		}
	}
	return p.Sched == e.Key || p.Client == e.Key, tombstone, nil
}
