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
	size int // bytes in the file, key included

	// forget is set if the record is the tombstone that the ID's newest version is,
	// and with which the ID is forgotten. It stays if the ID is placed again before
	// it is removed: the new record refers to it.
	forget, stays bool
}

// follow reads what has been written since the last time.
func (w *window) follow() error {
	for more := true; more; {
		err := w.s.file.view(func(r reading) error {
			var from [keyLen]byte
			c := r.log.Cursor()
			n := 0
			k, v := c.Seek(w.next.appendTo(from[:0]))
			for ; k != nil && n < sweepRecords; k, v = c.Next() {
				at := parseKey(k)
				rec, err := parseRecord(at, v)
				if err != nil {
					return corruptAt(at, "%v", err)
				}
				if _, seen := w.at[rec.id]; !seen {
					w.at[rec.id] = rec.prev
				}
				w.next = key{at.index, at.pos + 1}
				n++
			}
			more = k != nil
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
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

// victims returns some of the dead records from the key from on, and the key to
// go on from.
func (w *window) victims(from key) (dead []victim, next key, err error) {
	if err := w.follow(); err != nil {
		return nil, from, err
	}
	err = w.s.file.view(func(r reading) error {
		var buf [keyLen]byte
		c := r.log.Cursor()
		n := 0
		k, v := c.Seek(from.appendTo(buf[:0]))
		for ; k != nil && n < sweepRecords && len(dead) < sweepVictims; k, v = c.Next() {
			at := parseKey(k)
			if at.index > w.floor {
				break
			}
			rec, err := parseRecord(at, v)
			if err != nil {
				return corruptAt(at, "%v", err)
			}
			if vic, isDead := w.judge(at, &rec); isDead {
				vic.size = len(k) + len(v)
				dead = append(dead, vic)
			}
			next = key{at.index, at.pos + 1}
			n++
		}
		if k == nil || n == 0 {
			next = firstAfter(w.floor)
		}
		return nil
	})
	return dead, next, err
}

// judge reports whether the record at k, which is not above the floor, is dead.
func (w *window) judge(k key, rec *record) (victim, bool) {
	p, tombstone, known := w.version(&rec.id)
	needed := p.sched == k || p.client == k
	if !known || needed && !tombstone {
		return victim{}, false
	}
	return victim{key: k, id: rec.id, forget: needed}, true
}
