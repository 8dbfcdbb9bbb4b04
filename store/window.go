package store

import (
	"allocstore/schema"
)

// A window tells which version each allocation had at the floor of a pass. It
// follows the log from the floor on: of an allocation that has changed since, the
// first record there names the version before it.
type window struct {
	s     *Store
	floor uint64
	next  key                // what has not been read yet
	at    map[schema.ID]pair // of those that have changed since the floor
}

func newWindow(s *Store, floor uint64) *window {
	return &window{s: s, floor: floor, next: firstAfter(floor), at: make(map[schema.ID]pair)}
}

// A victim is a dead record.
type victim struct {
	key  key
	id   schema.ID
	size int    // bytes in the file, key included
	sum  uint64 // what it is in the content's sum

	// forget is set if the record is the tombstone that the ID's newest version is,
	// and with which the ID is forgotten. It stays if the ID is placed again before
	// it is removed: the new record refers to it.
	forget, stays bool
}

// follow reads what has been written since the last time.
func (w *window) follow() error {
	for more := true; more; {
		err := w.s.file.view(func(r reading) (err error) {
			more, err = w.followSome(r)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// followSome reads what one transaction may read, and reports whether there is more.
func (w *window) followSome(r reading) (more bool, err error) {
	n := 0
	for rec, err := range r.records(w.next) {
		if err != nil || n == sweepRecords {
			return true, err
		}
		if _, seen := w.at[rec.id]; !seen {
			w.at[rec.id] = rec.prev
		}
		w.next = rec.key.next()
		n++
	}
	return false, nil
}

// version returns the pair that id had at the floor, and whether that is a
// tombstone and the newest version. It does not know the pair of an allocation
// that has changed since and whose change has not been read.
func (w *window) version(id *schema.ID) (p pair, tombstone, known bool) {
	if p, ok := w.at[*id]; ok {
		return p, false, true
	}
	v := w.s.table.get(id)
	if v == nil || v.modified() > w.floor {
		return pair{}, false, false
	}
	return v.pair(), v.tombstone(), true
}

// found is what a look at some records has found.
type found struct {
	dead []victim
	next key  // to go on from
	more bool // there may be more
}

// victims looks for dead records from the key from on.
func (w *window) victims(from key) (f found, err error) {
	if err := w.follow(); err != nil {
		return f, err
	}
	err = w.s.file.view(func(r reading) error {
		n := 0
		for rec, err := range r.records(from) {
			if err != nil || rec.key.index > w.floor {
				return err
			}
			if n == sweepRecords || len(f.dead) == sweepVictims {
				f.next, f.more = rec.key, true
				return nil
			}
			if v, isDead := w.judge(&rec); isDead {
				f.dead = append(f.dead, v)
			}
			n++
		}
		return nil
	})
	return f, err
}

// judge reports whether the record, which is not above the floor, is dead.
func (w *window) judge(rec *logged) (victim, bool) {
	p, tombstone, known := w.version(&rec.id)
	needed := p.sched == rec.key || p.client == rec.key
	if !known || needed && !tombstone {
		return victim{}, false
	}
	return victim{key: rec.key, id: rec.id, size: rec.size(), sum: ofRecord(rec.key, rec.value), forget: needed}, true
}
