package histories

import (
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
)

// TestLists records a history of lists with kills in it, and checks it. At the small size it also
// checks the checker.
func TestLists(t *testing.T) {
	runs, seed := number(t, "HISTORIES_RUNS", smallRuns), number(t, "HISTORIES_SEED", rand.Uint64())
	t.Logf("HISTORIES_RUNS=%d HISTORIES_SEED=%d", runs, seed)
	calls := record(t, t.TempDir(), int(runs), seed, ofLists)
	o := checkLists(calls)
	for _, f := range o.faults {
		t.Error(f)
	}
	t.Logf("%d calls, %d batches, %d of them known; waits: %v; %d changes told", len(calls), len(o.feed), len(o.batches), o.count, o.checked)
	if !t.Failed() && runs <= smallRuns {
		t.Run("tester", func(t *testing.T) { testListMutations(t, o, calls, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// checkLists checks a history of lists.
func checkLists(calls []call) *listHistory {
	o := newListHistory(calls, someLists, listRetention)
	o.snapshots()
	for _, c := range o.replies {
		if c.Op == opList {
			o.count[c.Outcome]++
			o.reply(c)
			o.punctual(c)
		}
	}
	for _, c := range o.blocked {
		o.punctual(c)
	}
	o.monotonic()
	o.pictures()
	o.followers()
	return o
}

// snapshots checks the lists of each opening and of the end.
func (o *listHistory) snapshots() {
	everything := list{of: func(*member) bool { return true }}
	for _, c := range o.replies {
		l := &everything
		switch c.Op {
		case opMembers:
			l = o.lists[c.List].list
		case opOpen, opEnd:
		default:
			continue
		}
		if low, high := o.within(c.Begin, c.End); c.Index < low || c.Index > high {
			o.fault("the index may be within %d and %d: %v", low, high, c)
		}
		if want := o.at(l, c.Index); !slices.Equal(want, c.Members) {
			o.fault("the list is %v: %v", want, c)
		}
	}
}

// at returns a list at an index.
func (o *listHistory) at(l *list, index uint64) (all []member) {
	for id := range o.pasts {
		if m := o.version(id, index); l.holds(&m) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, byID)
	return all
}

// reply checks one result: there is an index, possible at its time, at which the list was so.
func (o *listHistory) reply(c call) {
	low, high := o.within(c.Begin, c.End)
	if c.Outcome == timedOut {
		o.nothing(c, low, high)
		return
	}
	l := o.lists[c.List]
	last, next := l.index(c.Index)
	from, to := max(low, c.Index), min(high, next-1)
	for _, m := range c.Members {
		var ok bool
		if from, to, ok = o.narrow(m, from, to); !ok {
			o.fault("%v never was there: %v", m, c)
			return
		}
	}
	if from > to {
		o.fault("the list was not so at any index within %d and %d: %v", low, high, c)
		return
	}
	o.outcome(c, low, high)
	if c.Index != last && !(c.Full && (c.Index == 1 || o.forgettable(c.Index, high))) || !c.Full && c.Index <= c.Min {
		o.fault("the index of the list is %d: %v", last, c)
	}
	o.result(c)
}

// outcome checks that the outcome is one for such a wait.
func (o *listHistory) outcome(c call, low, high uint64) {
	l := o.lists[c.List]
	if _, next := l.index(c.Min); c.Outcome == compacted && next > high && !o.forgettable(c.Min, low) {
		o.fault("a floor that rose has ended the wait: %v", c)
	}
	switch {
	case c.Min == 0 && c.Full && c.Outcome == changed:
	case c.Min > 0 && !c.Full && c.Outcome == changed:
	case c.Min > 0 && c.Full && c.Outcome == compacted && o.forgettable(c.Min, high):
	default:
		o.fault("no outcome for such a wait: %v", c)
	}
}

// nothing checks a wait that ran out of time.
func (o *listHistory) nothing(c call, low, high uint64) {
	if c.Min == 0 || c.Full || len(c.Members)+len(c.Gone) > 0 || c.Index < low || c.Index > high {
		o.fault("no outcome for such a wait, with an index within %d and %d: %v", low, high, c)
	}
	if _, next := o.lists[c.List].index(c.Min); next <= max(low, c.Index) {
		o.fault("the change at %d was there to be seen: %v", next, c)
	}
	if c.End-c.Begin < c.Limit {
		o.fault("time has not run out: %v", c)
	}
}

// result checks that a result has each change and each departure above the min.
func (o *listHistory) result(c call) {
	l := o.lists[c.List]
	var members []int
	var gone []departure
	for id := range l.of {
		switch e := l.last(id, c.Index); {
		case e.reason == "" && (c.Full || e.index > c.Min):
			members = append(members, id)
		case e.reason != "" && !c.Full && e.index > c.Min:
			gone = append(gone, departure{id, e.index, e.reason})
		}
	}
	o.checked += len(members) + len(gone)
	slices.SortFunc(members, func(a, b int) int { return byID(member{ID: a}, member{ID: b}) })
	if !slices.EqualFunc(members, c.Members, func(id int, m member) bool { return id == m.ID }) {
		o.fault("%v arrived or changed: %v", members, c)
	}
	if !slices.IsSortedFunc(c.Gone, func(a, b departure) int { return int(a.Index) - int(b.Index) }) {
		o.fault("the departures are in no order: %v", c)
	}
	byNumber := func(a, b departure) int { return a.ID - b.ID }
	if !slices.Equal(slices.SortedFunc(slices.Values(gone), byNumber), slices.SortedFunc(slices.Values(c.Gone), byNumber)) {
		o.fault("%v left: %v", gone, c)
	}
}

// punctual checks that the wait was woken, as order.punctual does.
func (o *listHistory) punctual(c call) {
	if c.Op != opList || c.Min == 0 {
		return
	}
	ready := c.Begin + c.Limit + c.Limit/16
	if _, next := o.lists[c.List].index(c.Min); next <= uint64(len(o.records)) {
		i := sort.Search(len(o.batches), func(i int) bool { return o.batches[i].Index >= next })
		if i < len(o.batches) && o.batches[i].Index == next && o.batches[i].answered {
			ready = min(ready, o.batches[i].End)
		}
	}
	if ready = max(ready, c.Begin); time.Duration(c.End-ready) > lateTime {
		if calls := o.progress(c.Run, ready, c.End); calls > lateCalls {
			o.fault("woken too late, by %v and %d calls: %v", time.Duration(c.End-ready), calls, c)
		}
	}
}

// monotonic checks that the index of a list never goes back, between all its readers.
func (o *listHistory) monotonic() {
	seen := make([][]bound, len(o.lists))
	for _, c := range o.replies {
		if c.Op != opList || c.Outcome == timedOut {
			continue
		}
		if was := seenBefore(seen[c.List], c.Begin); was > c.Index {
			o.fault("the index of the list was %d before: %v", was, c)
		}
		seen[c.List] = saw(seen[c.List], c.End, c.Index)
	}
}

// A picture is that of one reader, by its results alone.
type picture struct {
	told call
	has  map[int]member
}

// pictures checks each reader's picture after each of its results, and in the end.
func (o *listHistory) pictures() {
	readers := make(map[int]*picture)
	for _, c := range o.replies {
		if c.Op != opList || c.Late {
			continue
		}
		p := readers[c.Client]
		if p == nil {
			p = &picture{has: make(map[int]member)}
			readers[c.Client] = p
		}
		if c.Min != p.told.Index {
			o.fault("the wait does not go on at the index that it was told in %v: %v", p.told, c)
		}
		if c.Index < max(c.Min, 1) {
			o.fault("the index goes back: %v", c)
		}
		o.paint(p, c)
		o.compare(p, c.Index)
	}
	for _, p := range readers {
		o.compare(p, uint64(len(o.records)))
	}
}

// paint adds a result to a picture.
func (o *listHistory) paint(p *picture, c call) {
	p.told = c
	if c.Full {
		clear(p.has)
	}
	for _, d := range c.Gone {
		delete(p.has, d.ID)
	}
	for _, m := range c.Members {
		if slices.ContainsFunc(c.Gone, func(d departure) bool { return d.ID == m.ID }) {
			o.fault("%d is a member and has left: %v", m.ID, c)
		}
		p.has[m.ID] = m
	}
}

// compare compares a picture with the list at an index. Under Placements a member may have changed
// since, in the client's part.
func (o *listHistory) compare(p *picture, index uint64) {
	l := o.lists[p.told.List]
	for id := range o.pasts {
		m, here := p.has[id]
		e := l.last(id, index)
		if here != (e.reason == "") || here && m.Modify < e.index {
			o.fault("at %d the reader has %v, and the list %v, after %v", index, m, e, p.told)
		}
	}
}
