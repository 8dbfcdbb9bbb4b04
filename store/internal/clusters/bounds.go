package main

import (
	"math"
	"sort"
)

// A bound is an index that was reached at a time, or not yet begun.
type bound struct {
	at    int64
	index uint64
}

// bounds limit the index of the cluster at any time, by the replies to the clients.
type bounds struct {
	reached []bound // by time of the end: after it, at least this index
	begun   []bound // by time of the beginning: before it, less than this index
}

// ended notes that a client was shown an index by then.
func (b *bounds) ended(at int64, index uint64) { b.reached = append(b.reached, bound{at, index}) }

// began notes that the batch of an index was not sent before.
func (b *bounds) began(at int64, index uint64) { b.begun = append(b.begun, bound{at, index}) }

// sort must be called before within.
func (b *bounds) sort() {
	byTime := func(of []bound) {
		sort.Slice(of, func(i, k int) bool { return of[i].at < of[k].at })
	}
	byTime(b.reached)
	byTime(b.begun)
	for i := 1; i < len(b.reached); i++ {
		b.reached[i].index = max(b.reached[i].index, b.reached[i-1].index)
	}
	for i := len(b.begun) - 2; i >= 0; i-- {
		b.begun[i].index = min(b.begun[i].index, b.begun[i+1].index)
	}
}

// within returns the lowest index that a fresh call from begin to end may have seen, and the highest one of any call.
func (b *bounds) within(begin, end int64) (low, high uint64) {
	high = math.MaxUint64
	if i := sort.Search(len(b.reached), func(i int) bool { return b.reached[i].at >= begin }); i > 0 {
		low = b.reached[i-1].index
	}
	if i := sort.Search(len(b.begun), func(i int) bool { return b.begun[i].at > end }); i < len(b.begun) {
		high = b.begun[i].index - 1
	}
	return low, high
}

// A past has all versions of one allocation since the beginning of a part, in order.
type past []row

// at returns the position of the newest version at an index, and 0 before the first one.
func (p past) at(index uint64) int {
	return max(sort.Search(len(p), func(i int) bool { return p[i].Modify > index })-1, 0)
}

// shows reports whether a row was the newest version at an index from low to high.
func (p past) shows(r row, low, high uint64) bool {
	for i := p.at(low); i < len(p) && (i == 0 || p[i].Modify <= high); i++ {
		if v := p[i]; v == r || v.Absent && r.Absent {
			return true
		}
	}
	return false
}

// A listPast has the events of a list, and those of each allocation.
type listPast struct {
	*list
	all []event
	of  map[int][]event
}

// add adds the event that a change of an allocation makes, if it makes one.
func (l *listPast) add(index uint64, was, is *row) {
	if e, ok := l.list.event(index, was, is); ok {
		l.all = append(l.all, e)
		l.of[is.ID] = append(l.of[is.ID], e)
	}
}

func upTo(events []event, index uint64) int {
	return sort.Search(len(events), func(i int) bool { return events[i].index > index })
}

// index returns the index of the list at an index of the store, 0 for one before the part, and that of the next event.
func (l *listPast) index(at uint64) (last, next uint64) {
	next = math.MaxUint64
	i := upTo(l.all, at)
	if i > 0 {
		last = l.all[i-1].index
	}
	if i < len(l.all) {
		next = l.all[i].index
	}
	return last, next
}

// at returns the events of one index.
func (l *listPast) at(index uint64) []event { return l.all[upTo(l.all, index-1):upTo(l.all, index)] }
