package histories

import (
	"slices"
	"sort"
	"time"

	"allocstore/store"
)

// Outcomes of waits.
var (
	changed   = store.Changed.String()
	deleted   = store.Deleted.String()
	notFound  = store.NotFound.String()
	timedOut  = store.TimedOut.String()
	compacted = store.Compacted.String()
)

// A wait is late if it goes on for so long, and through so many calls of other clients, after
// a write that it waits for was answered.
const (
	lateTime  = time.Second / 2
	lateCalls = 1000
)

// waits checks that all waits return correct results, that no change is missed, and that no
// client's index goes back.
func (o *order) waits() {
	told := make(map[int]call) // by client: the last reply
	for _, c := range o.replies {
		if c.Op != opWait {
			continue
		}
		o.count[c.Outcome]++
		o.result(c)
		o.punctual(c)
		if c.Late {
			continue
		}
		if was, ok := told[c.Client]; ok && c.Min != was.Index {
			o.fault("the wait does not go on at the index that it was told in %v: %v", was, c)
		}
		told[c.Client] = c
		if c.Index < max(c.Min, 1) {
			o.fault("the index goes back: %v", c)
		}
	}
	for _, c := range o.blocked {
		o.punctual(c)
	}
	o.final()
}

// result checks the result of one wait.
func (o *order) result(c call) {
	low, high := o.within(c.Begin, c.End)
	switch {
	case c.news():
		o.news(c, low, high)
	case c.Outcome == notFound && c.Min == 0:
		o.current(c, low, high)
	case c.Outcome == timedOut && c.Min > 0:
		o.nothingNew(c, low)
		if c.End-c.Begin < c.Limit {
			o.fault("time has not run out: %v", c)
		}
		if c.Index > high {
			o.fault("the index may be up to %d: %v", high, c)
		}
		if len(c.IDs) == 1 {
			o.current(c, low, high)
		}
	case c.Outcome == compacted && c.Min > 0:
		if c.Index < low || c.Index > high || !slices.ContainsFunc(c.IDs, func(n int) bool {
			_, absent := o.pasts[n].find("", low, high)
			return absent
		}) {
			o.fault("all were there within %d and %d: %v", low, high, c)
		}
	default:
		o.fault("no outcome for such a wait: %v", c)
	}
}

// current checks that the wait's result was the newest version at some possible index.
func (o *order) current(c call, low, high uint64) (version, bool) {
	if !slices.Contains(c.IDs, c.ID) {
		o.fault("that was not waited for: %v", c)
		return version{}, false
	}
	text, ok := c.Rows[c.ID]
	v, found := o.pasts[c.ID].find(text, low, high)
	if !ok || !found {
		o.fault("%d was not so at any index within %d and %d: %v", c.ID, low, high, c)
	}
	return v, ok && found
}

// news checks a change that a wait has returned: it is above the min, it was the newest one of
// its allocation, and the wait has not passed over an earlier change of another allocation.
func (o *order) news(c call, low, high uint64) {
	if _, ok := o.current(c, low, high); !ok {
		return
	}
	p := o.pasts[c.ID]
	if v := p[p.at(c.Index)]; v.index != c.Index || v.index <= c.Min || v.text != c.Rows[c.ID] || (v.text == "") != (c.Outcome == deleted) {
		o.fault("that is no change above %d: %v", c.Min, c)
	}
	for n, text := range c.Rows {
		p := o.pasts[n]
		if v := p[p.at(c.Index)]; v.index != c.Index || v.text != text || !slices.Contains(c.IDs, n) {
			o.fault("%d did not change so at the same index: %v", n, c)
		}
	}
	for _, n := range c.IDs {
		other := o.pasts[n]
		if _, given := c.Rows[n]; !given && other[other.at(low)].index == c.Index && other[other.at(high)].index == c.Index {
			o.fault("the change of %d at the same index is not given: %v", n, c)
		}
		before, after := other[other.at(low)].index, other[other.at(high)].index
		if before > max(c.Min, 1) && before < c.Index && after < c.Index {
			o.fault("the change of %d at %d has been passed over: %v", n, after, c)
		}
	}
}

// nothingNew checks that there was no change above the min when the wait began.
func (o *order) nothingNew(c call, low uint64) {
	for _, n := range c.IDs {
		if v := o.pasts[n][o.pasts[n].at(low)]; v.index > c.Min {
			o.fault("the change of %d at %d was there to be seen: %v", n, v.index, c)
		}
	}
}

// punctual checks that the wait was woken: it returned not long after the first change that it
// waited for was answered, or after its time had run out. The result does not show this,
// because a wait that missed a change is woken by the next one.
func (o *order) punctual(c call) {
	if c.Min == 0 {
		return
	}
	ready := c.Begin + c.Limit + c.Limit/16 // the largest jitter
	for _, n := range c.IDs {
		for _, v := range o.pasts[n].after(c.Min) {
			if b, ok := o.batchAt(v.index); ok && b.answered {
				ready = min(ready, b.End)
				break
			}
		}
	}
	if ready = max(ready, c.Begin); ready >= c.End {
		return
	}
	if late := time.Duration(c.End - ready); late > lateTime {
		if calls := o.progress(c.Run, ready, c.End); calls > lateCalls {
			o.fault("woken too late, by %v and %d calls: %v", late, calls, c)
		}
	}
}

// batchAt returns the batch with that index.
func (o *order) batchAt(index uint64) (batch, bool) {
	i := sort.Search(len(o.batches), func(i int) bool { return o.batches[i].Index >= index })
	if i < len(o.batches) && o.batches[i].Index == index {
		return o.batches[i], true
	}
	return batch{}, false
}

// final checks that in the end each waiting client has the latest version of each of its
// allocations. There is one exception, in which the store's contract has the client look by
// itself: all allocations after Compacted.
func (o *order) final() {
	type key struct{ client, id int }
	told := make(map[key]call)
	waiting := make(map[int][]int)
	lost := make(map[int]bool)
	for _, c := range o.replies {
		if c.Op != opWait || c.Late {
			continue
		}
		waiting[c.Client] = c.IDs
		if c.Outcome == compacted {
			lost[c.Client] = true
			for _, n := range c.IDs {
				delete(told, key{c.Client, n})
			}
		}
		for n := range c.Rows {
			told[key{c.Client, n}] = c
		}
	}
	for client, ids := range waiting {
		for _, n := range ids {
			p := o.pasts[n]
			v := p[len(p)-1]
			c, ok := told[key{client, n}]
			if c.Rows[n] == v.text || !ok && lost[client] {
				continue
			}
			o.fault("%d was last changed at %d, and client %d was not told: %v", n, v.index, client, c)
		}
	}
}
