package histories

import (
	"math"
	"slices"
	"sort"
)

// An event is an arrival, a change or a departure of a list.
type event struct {
	index  uint64
	is     member
	reason string // of a departure, else ""
}

// A listPast has the events of one list, in the order of the feed, and those of each
// allocation.
type listPast struct {
	*list
	all []event
	of  map[int][]event
}

// upTo returns the number of events up to an index.
func upTo(events []event, index uint64) int {
	return sort.Search(len(events), func(i int) bool { return events[i].index > index })
}

// last returns the last event of an allocation up to an index, and before the first one a
// departure.
func (l *listPast) last(id int, index uint64) event {
	if i := upTo(l.of[id], index); i > 0 {
		return l.of[id][i-1]
	}
	return event{reason: "never"}
}

// index returns the index of the list at an index of the store, and that of the next event.
func (l *listPast) index(at uint64) (last, next uint64) {
	last, next = 1, math.MaxUint64
	i := upTo(l.all, at)
	if i > 0 {
		last = l.all[i-1].index
	}
	if i < len(l.all) {
		next = l.all[i].index
	}
	return last, next
}

// add adds the event that a change of an allocation makes in the list, if it makes one.
func (l *listPast) add(index uint64, was, is member) {
	e := event{index: index, is: is}
	before, after := l.holds(&was), l.holds(&is)
	switch {
	case before && is.Absent:
		e.reason = "Removed"
	case before && !l.list.of(&is):
		e.reason = "Moved"
	case before && !after:
		e.reason = "Terminated"
	case !after || before && !l.counts(&was, &is):
		return
	}
	l.all = append(l.all, e)
	l.of[is.ID] = append(l.of[is.ID], e)
}

// A listHistory is a history in the order of the feed, with the lists that follow from it.
type listHistory struct {
	*history
	*bounds
	retention int
	pasts     map[int][]member // by allocation: all versions, with the index in Modify
	lists     []*listPast
	batches   []batch
	records   []int // by index: the number of changes up to it
	count     map[string]int
	checked   int // changes that a reader or a follower was told
}

// newListHistory puts a history in order.
func newListHistory(calls []call, of []list, retention int) *listHistory {
	o := &listHistory{history: newHistory(calls), retention: retention, pasts: make(map[int][]member), count: make(map[string]int)}
	for n := range of {
		o.lists = append(o.lists, &listPast{list: &of[n], of: make(map[int][]event)})
	}
	o.replay()
	o.match()
	o.bounds = newBounds(o.batches, o.replies)
	return o
}

// replay goes through the feed. It has every index.
func (o *listHistory) replay() {
	o.records = make([]int, 2)
	for index := uint64(2); index < uint64(len(o.feed)+2); index++ {
		c, ok := o.feed[index]
		if !ok {
			o.fault("the feed has nothing at %d", index)
		}
		o.records = append(o.records, o.records[index-1]+len(c.Members))
		for _, m := range c.Members {
			if m.Absent {
				m.Modify = index
			}
			if m.Modify != index || m.ID < 0 {
				o.fault("%v is no version of %d", m, index)
			}
			was := o.version(m.ID, index)
			o.pasts[m.ID] = append(o.pasts[m.ID], m)
			for _, l := range o.lists {
				l.add(index, was, m)
			}
		}
	}
}

// version returns the newest version of an allocation up to an index.
func (o *listHistory) version(id int, index uint64) member {
	p := o.pasts[id]
	if i := versionsUpTo(p, index); i > 0 {
		return p[i-1]
	}
	return member{ID: id, Absent: true}
}

// versionsUpTo returns the number of versions up to an index.
func versionsUpTo(p []member, index uint64) int {
	return sort.Search(len(p), func(i int) bool { return p[i].Modify > index })
}

// narrow narrows a range of indexes to those at which m is the newest version. ok is false if
// there never was such a version.
func (o *listHistory) narrow(m member, low, high uint64) (from, to uint64, ok bool) {
	p := o.pasts[m.ID]
	i := versionsUpTo(p, m.Modify)
	if m.Modify == 0 || i == 0 || p[i-1] != m {
		return low, high, false
	}
	if i < len(p) {
		high = min(high, p[i].Modify-1)
	}
	return max(low, m.Modify), high, true
}

// forgettable reports whether compaction may have forgotten the changes up to floor, when the
// store's index was at most high.
func (o *listHistory) forgettable(floor, high uint64) bool {
	top := uint64(len(o.records) - 1)
	return o.records[min(high, top)]-o.records[min(floor, top)] >= o.retention
}

// match finds the index of each write by the texts that are new at that index, and checks that
// no answered write is lost.
func (o *listHistory) match() {
	first := make(map[string]uint64) // by token
	for index := range uint64(len(o.records)) {
		for _, m := range o.feed[index].Members {
			for _, text := range m.tokens() {
				if _, old := first[text]; !old {
					first[text] = index
				}
			}
		}
	}
	flight := len(o.answered)
	for i, c := range slices.Concat(o.answered, o.flights) {
		var index uint64
		for _, w := range c.Writes {
			if at, ok := first[w.Token]; ok && w.Token != "" {
				index = at
			}
		}
		if i < flight {
			o.lost(c, index)
		}
		if index > 0 {
			c.Index = index
			o.batches = append(o.batches, batch{c, i < flight})
		}
	}
	sort.Slice(o.batches, func(i, k int) bool { return o.batches[i].Index < o.batches[k].Index })
}

// lost checks that an answered write is in the feed, at its index.
func (o *listHistory) lost(c call, index uint64) {
	if c.Outcome != "" {
		if index > 0 {
			o.fault("it is there at %d, though it is said to have been refused: %v", index, c)
		}
		return
	}
	if index > 0 && index != c.Index {
		o.fault("it is there at %d: %v", index, c)
	}
	for i, w := range c.Writes {
		again := func(other write) bool { return other.ID == w.ID }
		if slices.Contains(c.Unknown, w.ID) || slices.ContainsFunc(c.Writes[:i], again) || slices.ContainsFunc(c.Writes[i+1:], again) {
			continue
		}
		v := o.version(w.ID, c.Index)
		if v.Modify != c.Index || v.Absent != (w.Kind == kindDelete) || !v.Absent && !slices.Contains(v.tokens(), w.Token) {
			o.fault("an answered write is lost, there is %v: %v", v, c)
		}
	}
}
