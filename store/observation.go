package store

import (
	"allocstore/schema"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// An observation is the state of one watched ID that ends a wait.
type observation struct {
	st      *state.State
	id      *schema.ID     // nil: no ID in particular
	v       *state.Version // nil: the ID was never seen, or its deletion is forgotten
	index   uint64         // see WaitResult.Index
	outcome Outcome

	more []observation // of the other IDs at the same index
}

// observe returns the observation that ends the wait, if there is one. kind is the signal
// received, 0 for none. It is a change above the waiter's min: of several the one with the
// lowest index, because that index, given back, skips no other. A wait whose min is 0, or
// whose time is up, ends without a change too.
//
// The last index is read before the table. An ID that is absent from the table, or older
// there, has no change up to that index. A change above it belongs to a batch that is being
// published. It is left alone, because an ID that was looked up earlier may have a lower
// change on its way. Both will notify their waiters.
func observe(st *state.State, w *watch.Waiter, kind watch.Kind) (o observation, found bool) {
	last, mark := st.Indexes()
	if w.Min() > 0 && (w.Min() < mark || kind == watch.Restored) {
		return restored(st, w, last, mark), true
	}
	var lowest *state.Version
	var changed *schema.ID
	var index uint64 // the one that the result has
	var more []observation
	absent := false
	for i := range w.Len() {
		id := watched(w, i)
		v := st.Table.Get(id)
		if v == nil {
			absent = true
			continue
		}
		switch m := max(v.Modified(), mark); {
		case v.Modified() <= w.Min() || m > last:
		case lowest == nil || m < index:
			lowest, changed, index, more = v, id, m, more[:0]
		case m == index:
			more = append(more, observed(st, id, v, last, mark))
		}
	}
	floor := st.Floor.Load() // read after the table: a deletion is forgotten after the floor is raised
	switch lost := absent && 0 < w.Min() && w.Min() < floor; {
	case lost && floor > last:
		return observe(st, w, kind) // again, with a last index that is not below the floor
	case lost && w.Len() > 1:
		return observation{st: st, index: last, outcome: Compacted}, true
	case lost:
		o = observed(st, watched(w, 0), nil, last, mark)
		o.outcome = Compacted
		return o, true
	case lowest != nil:
		o = observed(st, changed, lowest, last, mark)
		o.more = more
		return o, true
	case w.Min() == 0 || kind == watch.Expired:
		return unchanged(st, w, last, mark), true
	}
	return o, false
}

// restored returns the observation of every ID that ends a wait after a restore.
func restored(st *state.State, w *watch.Waiter, last, mark uint64) observation {
	o := only(st, w, last, mark)
	o.outcome = Restored
	if w.Len() == 1 {
		return o
	}
	o.index = mark // another ID may have changed since
	for i := 1; i < w.Len(); i++ {
		id := watched(w, i)
		o.more = append(o.more, observation{st: st, id: id, v: st.Table.Get(id), index: o.index, outcome: Restored})
	}
	return o
}

// unchanged returns the observation that ends a wait without a change: the current state of
// one ID, or no state for several. A change that is being published may be missed; the
// next wait returns it.
func unchanged(st *state.State, w *watch.Waiter, last, mark uint64) observation {
	switch {
	case w.Len() > 1 && w.Min() == 0:
		return observed(st, watched(w, 0), nil, last, mark)
	case w.Len() > 1:
		return observation{st: st, index: last, outcome: TimedOut}
	}
	o := only(st, w, last, mark)
	switch {
	case w.Min() == 0:
	case o.v == nil && w.Min() < st.Floor.Load():
		o.outcome = Compacted // deleted just now, and forgotten
	case o.v == nil || o.v.Modified() <= w.Min():
		o.outcome = TimedOut
	}
	return o
}

// observed returns the observation of an ID whose newest version is v. The caller has read last,
// the last index, before v: an absent ID has no change up to it. mark is the index of the last
// restore.
func observed(st *state.State, id *schema.ID, v *state.Version, last, mark uint64) observation {
	o := observation{st: st, id: id, v: v, index: last, outcome: NotFound}
	if v != nil {
		o.index, o.outcome = v.Modified(), Changed
		if v.Tombstone() {
			o.outcome = Deleted
		}
	}
	o.index = max(o.index, mark)
	return o
}

// only returns the observation of a waiter's first ID, which is its only one.
func only(st *state.State, w *watch.Waiter, last, mark uint64) observation {
	id := watched(w, 0)
	return observed(st, id, st.Table.Get(id), last, mark)
}

// watched returns the i-th ID that w waits for.
func watched(w *watch.Waiter, i int) *schema.ID { return (*schema.ID)(w.ID(i)) }
