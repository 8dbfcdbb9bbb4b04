package main

import (
	"slices"

	"allocstore/store"
)

// list checks the result of a wait for a list: it has exactly the changes and departures above the min, up to its index.
func (k *checker) list(c *call, high uint64) {
	l := k.lists[c.List]
	if c.Index < c.Min || c.Index > high {
		k.rec.fault("the index goes back, or is above %d: %v", high, c)
	}
	if c.Outcome == store.TimedOut.String() {
		if _, next := l.index(c.Min); c.Full || len(c.Changed)+len(c.Gone) > 0 || next <= c.Index {
			k.rec.fault("the change of the list at %d was there to be seen: %v", next, c)
		}
		return
	}
	last, next := l.index(c.Index)
	switch {
	case c.Outcome == store.Compacted.String() && c.Full:
		k.forgotten(c, high)
	case c.Outcome != store.Changed.String() || c.Full:
		k.rec.fault("no outcome of such a wait: %v", c)
	case c.Index != last || c.Index <= c.Min:
		k.rec.fault("the index of the list is %d: %v", last, c)
	}
	var members []int
	var gone []departure
	for id := range k.pasts {
		switch e, ok := l.last(id, c.Index); {
		case ok && e.reason != "":
			if !c.Full && e.index > c.Min {
				gone = append(gone, departure{id, e.index, e.reason})
			}
		case ok && (c.Full || e.index > c.Min), !ok && c.Full && k.began0(l, id):
			members = append(members, id)
		}
	}
	var shown []int
	for _, r := range c.Changed {
		shown = append(shown, r.ID)
		e, _ := l.last(r.ID, c.Index)
		if !k.past(r.ID).shows(r, c.Index, min(next-1, high)) || r.Modify < e.index || !l.placements && e.index > 0 && r.Modify != e.index {
			k.rec.fault("the list had no such member at %d: %v: %v", c.Index, r, c)
		}
	}
	if !sameSet(members, shown) {
		k.rec.fault("the members that arrived or changed are %v: %v", members, c)
	}
	if !sameDepartures(gone, c.Gone) {
		k.rec.fault("the departures are %v: %v", gone, c)
	}
}

// began0 reports whether an allocation was in the list when the part began.
func (k *checker) began0(l *listPast, id int) bool {
	r, here := k.rows[id]
	return here && l.holds(&r)
}

// last returns the last event of an allocation up to an index, if there is one.
func (l *listPast) last(id int, index uint64) (event, bool) {
	if i := upTo(l.of[id], index); i > 0 {
		return l.of[id][i-1], true
	}
	return event{}, false
}

func sameDepartures(a, b []departure) bool {
	byID := func(x, y departure) int { return x.ID - y.ID }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byID), slices.SortedFunc(slices.Values(b), byID))
}

// streams checks the feeds and the streams of lists: each change once and in order, on whichever node.
func (k *checker) streams() {
	position := make(map[int]uint64) // by client
	for i := range k.rec.calls {
		c := &k.rec.calls[i]
		switch c.Op {
		case opResume:
			at, _ := slices.BinarySearch(k.indexes, c.Min+1)
			if at == len(k.indexes) || k.indexes[at] != c.Index {
				k.rec.fault("the feed skips a batch: %v", c)
			}
		case opFollow:
			if c.Outcome == kindCompacted {
				position[c.Client] = 1 << 62
				continue
			}
			k.followed(c)
			position[c.Client] = max(position[c.Client], c.Index)
			continue
		default:
			continue
		}
	}
	for n, l := range k.lists {
		client := firstFollower + 2*n
		if last, _ := l.index(1 << 62); last > 0 && position[client] < last {
			k.rec.fault("the follower of list %d was told of the changes up to %d, and the last one is at %d", n, position[client], last)
		}
	}
}

// firstFollower is the number of the client that follows the first list.
const firstFollower = firstReader + waiters + 1

// followed checks one batch of the stream of a list.
func (k *checker) followed(c *call) {
	l := k.lists[c.List]
	if _, next := l.index(c.Min); next != c.Index {
		k.rec.fault("the change of the list after %d is at %d: %v", c.Min, next, c)
		return
	}
	var rows []row
	var gone []departure
	for _, e := range l.at(c.Index) {
		if e.reason != "" {
			gone = append(gone, departure{e.is.ID, e.index, e.reason})
		} else {
			rows = append(rows, e.is)
		}
	}
	if !sameRows(rows, c.Changed) || !sameDepartures(gone, c.Gone) {
		k.rec.fault("the changes of the list at %d are %v and %v: %v", c.Index, rows, gone, c)
	}
}
