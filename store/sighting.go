package store

import (
	"allocstore/schema"
	"allocstore/watch"
)

// A sighting is what a wait finds in the table of one ID, and what it makes of it.
type sighting struct {
	id      *schema.ID // nil: of none in particular
	v       *version   // nil: never seen, or forgotten
	index   uint64     // see WaitResult.Index
	outcome Outcome
}

// sight looks id up. The last index was read before: an ID that is absent has no
// change up to it.
func (s *Store) sight(id *schema.ID, last uint64) sighting {
	return s.sightOf(id, s.table.get(id), last)
}

// sightOf is sight of an ID whose newest version is v.
func (s *Store) sightOf(id *schema.ID, v *version, last uint64) sighting {
	at := sighting{id: id, v: v, index: last, outcome: NotFound}
	if v != nil {
		at.index, at.outcome = v.modified(), Changed
		if v.tombstone() {
			at.outcome = Deleted
		}
	}
	at.index = max(at.index, s.restored.Load())
	return at
}

// find finds what the wait returns at once, if there is anything: of several
// changes the one with the lowest index, so that given back it skips none of the
// others.
//
// The last index is read before the table: what is absent from the table, or older
// there, has no change up to that index. A change above it is one whose batch is
// being published. It is left for later, because one with a lower index may be on
// its way for an ID that was looked at before; its waiters are yet to be notified.
func (s *Store) find(w *watch.Waiter, told watch.Kind, at *sighting) bool {
	last := s.index.Last()
	if restored := s.restored.Load(); w.Min() < restored || told == watch.Restored {
		*at = s.sight(watched(w, 0), last)
		at.outcome = Restored
		if w.Len() > 1 {
			at.index = restored // the others may have changed since
		}
		return true
	}
	var lowest *version
	var changed *schema.ID
	absent := false
	for i := range w.Len() {
		id := watched(w, i)
		v := s.table.get(id)
		if v == nil {
			absent = true
		} else if m := v.modified(); m > w.Min() && m <= last && (lowest == nil || m < lowest.modified()) {
			lowest, changed = v, id
		}
	}
	floor := s.floor.Load() // what is absent and was forgotten was so after the floor was raised
	switch lost := absent && w.Min() < floor; {
	case lost && floor > last:
		return s.find(w, told, at) // with a last index that the floor is not above
	case lost && w.Len() > 1:
		*at = sighting{index: last, outcome: Compacted}
	case lost:
		*at = s.sightOf(watched(w, 0), nil, last)
		at.outcome = Compacted
	case lowest != nil:
		*at = s.sightOf(changed, lowest, last)
	default:
		return false
	}
	return true
}

// findAny is find for a wait that nothing has to be above: it finds something in
// any case. Of several, that is the one that changed first, of those that have changed
// up to the last index.
func (s *Store) findAny(w *watch.Waiter, at *sighting) {
	last := s.index.Last()
	if w.Len() == 1 {
		*at = s.sight(watched(w, 0), last)
		return
	}
	*at = s.sightOf(watched(w, 0), nil, last)
	for i := range w.Len() {
		v := s.table.get(watched(w, i))
		if v != nil && v.modified() <= last && (at.v == nil || v.modified() < at.v.modified()) {
			*at = s.sightOf(watched(w, i), v, last)
		}
	}
}

// findExpired is find for a wait whose time is up: if nothing has changed it finds
// what there is. A change that is being published is returned or left for the next
// wait.
func (s *Store) findExpired(w *watch.Waiter, at *sighting) {
	last := s.index.Last()
	if s.find(w, 0, at) {
		return
	}
	if w.Len() > 1 {
		*at = sighting{index: last, outcome: TimedOut}
		return
	}
	*at = s.sight(watched(w, 0), last)
	switch {
	case at.v == nil && w.Min() < s.floor.Load():
		at.outcome = Compacted // deleted just now, and forgotten
	case at.v == nil || at.v.modified() <= w.Min():
		at.outcome = TimedOut
	}
}
