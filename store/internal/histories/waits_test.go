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

// A wait is late if it goes on for so long, and through so many calls of others,
// after something it waits for was answered.
const (
	lateTime  = time.Second / 2
	lateCalls = 1000
)

// waits checks all waits: none returns what it was not to, none misses a change, and
// no client is ever taken back.
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

// result checks what one wait has returned.
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

// current checks that an allocation was as the wait says.
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

// news checks a change that a wait has returned: it is above what was known, it was
// the newest one of its allocation, and no other change, of those that are still to
// be seen, has been passed over.
func (o *order) news(c call, low, high uint64) {
	if _, ok := o.current(c, low, high); !ok {
		return
	}
	p := o.pasts[c.ID]
	if v := p[p.at(c.Index)]; v.index != c.Index || v.index <= c.Min || v.text != c.Rows[c.ID] || (v.text == "") != (c.Outcome == deleted) {
		o.fault("that is no change above %d: %v", c.Min, c)
	}
	for _, n := range c.IDs {
		other := o.pasts[n]
		before, after := other[other.at(low)].index, other[other.at(high)].index
		if before > max(c.Min, 1) && before < c.Index && after < c.Index {
			o.fault("the change of %d at %d has been passed over: %v", n, after, c)
		}
	}
}

// nothingNew checks that what was there when the wait began was known.
func (o *order) nothingNew(c call, low uint64) {
	for _, n := range c.IDs {
		if v := o.pasts[n][o.pasts[n].at(low)]; v.index > c.Min {
			o.fault("the change of %d at %d was there to be seen: %v", n, v.index, c)
		}
	}
}

// punctual checks that the wait was woken: it has returned not long after the first
// change that it waited for was answered, or its time has run out. What it returns
// does not tell, because a wait that slept through a change is woken by the next one.
func (o *order) punctual(c call) {
	if c.Min == 0 {
		return
	}
	ready := c.Begin + c.Limit + c.Limit/16 // that much may be added at random
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

// final checks that the clients that wait know in the end how it is with each of
// their allocations. There are two exceptions, of which the store's contract says that
// the client is to look: what else the batch has changed that it was told of, and all
// once a deletion may have been forgotten.
func (o *order) final() {
	type key struct{ client, id int }
	told := make(map[key]call)
	indexes := make(map[int]map[uint64]bool)
	waiting := make(map[int][]int)
	lost := make(map[int]bool)
	for _, c := range o.replies {
		if c.Op != opWait || c.Late {
			continue
		}
		if waiting[c.Client] = c.IDs; indexes[c.Client] == nil {
			indexes[c.Client] = make(map[uint64]bool)
		}
		switch {
		case c.Outcome == compacted:
			lost[c.Client] = true
			for _, n := range c.IDs {
				delete(told, key{c.Client, n})
			}
		case c.Outcome != timedOut:
			indexes[c.Client][c.Index] = true
		}
		if c.ID >= 0 {
			told[key{c.Client, c.ID}] = c
		}
	}
	for client, ids := range waiting {
		for _, n := range ids {
			p := o.pasts[n]
			v := p[len(p)-1]
			c, ok := told[key{client, n}]
			if c.Rows[n] == v.text || indexes[client][v.index] || !ok && lost[client] {
				continue
			}
			o.fault("%d was last changed at %d, and client %d was not told: %v", n, v.index, client, c)
		}
	}
}
