package main

import (
	"maps"
	"slices"

	"allocstore/store"
)

// A checker puts the history of a part in the order of the indexes, and compares each reply with the content at the indexes
// that were possible at its time.
type checker struct {
	*part
	*bounds
	model   map[int]row // at the index that replay has reached
	indexes []uint64    // of the feed, in order
	pasts   map[int]past
	lists   []*listPast
	applied map[string]uint64 // by token: the index at which its batch was applied
	byIndex map[uint64]*call
	byToken map[string]*call
	counts  map[string]int // of the outcomes of calls
}

// check checks the part, and returns how many calls there were, by kind and outcome. Faults are added to those of the
// recorder.
func (p *part) check(last *contentAnswer) map[string]int {
	k := &checker{
		part: p, bounds: new(bounds), model: maps.Clone(p.rows), pasts: make(map[int]past), applied: make(map[string]uint64),
		byIndex: make(map[uint64]*call), byToken: make(map[string]*call), counts: make(map[string]int),
	}
	for n := range someLists {
		k.lists = append(k.lists, &listPast{list: &someLists[n], of: make(map[int][]event)})
	}
	k.sort()
	k.replay()
	k.end(last)
	k.outcomes()
	k.bounds.sort()
	k.order()
	k.replies()
	k.streams()
	k.told()
	k.linear()
	return k.counts
}

// sort sorts the calls by their tokens and indexes.
func (k *checker) sort() {
	for id, r := range k.rows {
		k.pasts[id] = past{r}
	}
	for i := range k.rec.calls {
		c := &k.rec.calls[i]
		k.counts[c.Op+", "+c.Kind]++
		if c.Op != opWrite {
			continue
		}
		k.byToken[c.Token] = c
		if c.Kind != kindOK || len(c.Unknown) > 0 && len(c.Unknown) == len(c.Batch.Writes) {
			continue
		}
		if other := k.byIndex[c.Index]; other != nil {
			k.rec.fault("two batches have the index %d: %v and %v", c.Index, other, c)
		}
		k.byIndex[c.Index] = c
	}
	k.indexes = slices.Sorted(maps.Keys(k.rec.feed))
}

// replay goes through the feed, and finds the write that explains each batch.
func (k *checker) replay() {
	for _, index := range k.indexes {
		if index <= k.base {
			k.rec.fault("the feed after %d has %d", k.base, index)
			continue
		}
		rows := k.rec.feed[index]
		c := k.cause(index, rows)
		if c == nil {
			k.rec.fault("no write explains the batch at %d: %v", index, rows)
		} else {
			k.explain(c, index, rows)
		}
		for _, r := range rows {
			k.step(index, r)
		}
	}
}

// cause returns the write that made a batch, by its index, or by a text that is new.
func (k *checker) cause(index uint64, rows []row) *call {
	if c := k.byIndex[index]; c != nil {
		return c
	}
	for _, r := range rows {
		was := k.model[r.ID]
		old := was.tokens()
		for _, text := range r.tokens() {
			if c := k.byToken[batchToken(text)]; c != nil && !slices.Contains(old, text) {
				return c
			}
		}
	}
	return nil
}

// explain compares a batch with the write that made it: its conditions held, it was not refused, it is applied once, and it
// makes these rows.
func (k *checker) explain(c *call, index uint64, rows []row) {
	if at, twice := k.applied[c.Token]; twice {
		k.rec.fault("a write is applied twice, at %d and at %d: %v", at, index, c)
		return
	}
	k.applied[c.Token] = index
	if c.Kind != kindOK && c.Kind != kindUnknown {
		k.rec.fault("a write is applied at %d that was refused: %v", index, c)
	}
	if c.Kind == kindOK && c.Index != index {
		k.rec.fault("a write is applied at %d, and was answered with another index: %v", index, c)
	}
	for _, cond := range c.Batch.If {
		if !k.holds(cond) {
			k.rec.fault("a write is applied at %d whose condition %v does not hold: %v", index, cond, c)
		}
	}
	want, unknown := c.Batch.apply(k.model, index)
	for i, r := range want {
		if r.Absent {
			want[i] = row{ID: r.ID, Absent: true} // as the feed has it
		}
	}
	if !sameRows(slices.Collect(maps.Values(want)), rows) {
		k.rec.fault("at %d a write makes %v, and the feed has %v: %v", index, want, rows, c)
	}
	if c.Kind == kindOK && !sameSet(unknown, c.Unknown) {
		k.rec.fault("at %d the absent allocations are %v: %v", index, unknown, c)
	}
}

// holds reports whether a condition holds in the model.
func (k *checker) holds(c condition) bool {
	if c.ID == 0 {
		last, _ := k.lists[c.List].index(1 << 62)
		return last <= c.Index
	}
	r, here := k.model[c.ID]
	if !here || r.Absent {
		return c.Index == 0
	}
	return r.Modify == c.Index
}

// step adds a version.
func (k *checker) step(index uint64, r row) {
	if r.Absent {
		r.Modify = index
	} else if r.Modify != index {
		k.rec.fault("the feed has at %d a row of another index: %v", index, r)
	}
	was, here := k.model[r.ID]
	if !here {
		was = row{ID: r.ID, Absent: true}
		k.pasts[r.ID] = past{was}
	}
	for _, l := range k.lists {
		l.add(index, &was, &r)
	}
	k.model[r.ID] = r
	k.pasts[r.ID] = append(k.pasts[r.ID], r)
}

// end compares the content at the end with the model.
func (k *checker) end(last *contentAnswer) {
	if n := len(k.indexes); n > 0 && k.indexes[n-1] != last.Index {
		k.rec.fault("the feed ends at %d, and the content at %d", k.indexes[n-1], last.Index)
	}
	left := maps.Clone(k.model)
	for _, r := range last.Rows {
		if left[r.ID] != r {
			k.rec.fault("at the end there is %v, and the feed has made %v", r, left[r.ID])
		}
		delete(left, r.ID)
	}
	for _, r := range left {
		if !r.Absent {
			k.rec.fault("at the end this is lost: %v", r)
		}
	}
}

// outcomes checks that nothing acknowledged is lost, and notes which indexes the clients were shown, and when.
func (k *checker) outcomes() {
	for i := range k.rec.calls {
		c := &k.rec.calls[i]
		at, applied := k.applied[c.Token]
		switch {
		case c.Op == opWrite && applied:
			k.began(c.Begin, at)
			if c.Kind == kindOK {
				k.ended(c.End, at)
			}
		case c.Op == opWrite && c.Kind == kindOK && len(c.Unknown) < len(c.Batch.Writes):
			k.rec.fault("an acknowledged write is lost: %v", c)
		case c.Op != opWrite && c.Kind == kindOK && c.Index <= k.settled():
			k.ended(c.End, c.Index)
		}
	}
}

// order checks that a write which began after another one was answered has the higher index.
func (k *checker) order() {
	for i := range k.rec.calls {
		c := &k.rec.calls[i]
		if at, ok := k.applied[c.Token]; ok && c.Op == opWrite {
			if low, high := k.within(c.Begin, c.End); at <= low || c.Kind == kindOK && at > high {
				k.rec.fault("a write has the index %d, which must be above %d and at most %d: %v", at, low, high, c)
			}
		}
	}
}

// replies checks all replies but those of streams.
func (k *checker) replies() {
	for i := range k.rec.calls {
		c := &k.rec.calls[i]
		low, high := k.within(c.Begin, c.End)
		switch {
		case c.Op == opWrite && c.Kind == kindConflict:
			k.conflict(c, low, high)
		case c.Kind != kindOK:
		case c.Op == opRead:
			if c.Index < low {
				k.rec.fault("a linearizable read shows index %d, and %d was there before: %v", c.Index, low, c)
			}
			k.read(c, max(low, c.Index), high)
		case c.Op == opOwn:
			k.read(c, max(c.Min, c.Index), high)
		case c.Index < k.base: // of a node that has just joined
		case c.Op == opStale || c.Op == opLease:
			k.read(c, c.Index, high)
		case c.Op == opWait:
			k.wait(c, high)
		case c.Op == opList:
			k.list(c, high)
		}
	}
}

func (k *checker) read(c *call, low, high uint64) {
	if !k.past(c.ID).shows(c.Row, low, high) {
		k.rec.fault("%d was not so at any index from %d to %d: %v", c.ID, low, high, c)
	}
}

// past returns the versions of an allocation, which may never have been there.
func (k *checker) past(id int) past {
	if p, ok := k.pasts[id]; ok {
		return p
	}
	return past{{ID: id, Absent: true}}
}

// conflict checks that a condition did not hold at an index that was possible.
func (k *checker) conflict(c *call, low, high uint64) {
	for _, cond := range c.Batch.If {
		if cond.ID != c.Failed {
			continue
		}
		if cond.ID == 0 {
			if last, _ := k.lists[cond.List].index(high); last > cond.Index || cond.Index+keptEntries <= high || cond.Index < k.base {
				return
			}
			continue
		}
		p := k.past(cond.ID)
		for i := p.at(low); i < len(p) && (i == 0 || p[i].Modify <= high); i++ {
			if p[i].Absent && cond.Index != 0 || !p[i].Absent && p[i].Modify != cond.Index {
				return
			}
		}
	}
	k.rec.fault("a conflict without a reason, at an index from %d to %d: %v", low, high, c)
}

// wait checks the result of a wait for some allocations.
func (k *checker) wait(c *call, high uint64) {
	switch c.Outcome {
	case store.TimedOut.String():
		if c.Index < c.Min {
			k.rec.fault("an index goes back: %v", c)
		}
		return
	case store.Compacted.String():
		k.forgotten(c, high)
		return
	case store.Changed.String(), store.Deleted.String():
	default:
		k.rec.fault("no outcome of such a wait: %v", c)
		return
	}
	for _, r := range append([]row{c.Row}, c.More...) {
		p := k.past(r.ID)
		v := p[p.at(c.Index)]
		if !slices.Contains(c.IDs, r.ID) || v.Modify != c.Index || c.Index <= c.Min || c.Index > high || v != r && !(v.Absent && r.Absent) {
			k.rec.fault("that is no change above %d, of %d at %d there is %v: %v", c.Min, r.ID, c.Index, v, c)
		}
	}
	for _, id := range c.IDs { // no earlier change was passed over
		p := k.past(id)
		if v := p.at(c.Index); v == p.at(high) && p[v].Modify > c.Min && p[v].Modify < c.Index {
			k.rec.fault("the change of %d at %d was passed over: %v", id, p[v].Modify, c)
		}
	}
}

// forgotten checks that a reader is told of compaction only if it was away for long.
func (k *checker) forgotten(c *call, high uint64) {
	if k.skipped.Add(1); c.Min+keptEntries/2 > high {
		k.rec.fault("no node may have forgotten the changes after %d yet: %v", c.Min, c)
	}
}

// told checks that each wait has been told of the last change of all its allocations.
func (k *checker) told() {
	type waiter struct{ client, id int }
	told := make(map[waiter]row)
	ids := make(map[int][]int)
	lost := make(map[int]bool)
	for _, c := range k.rec.calls {
		if c.Op != opWait || c.Kind != kindOK {
			continue
		}
		ids[c.Client] = c.IDs
		switch c.Outcome {
		case store.Compacted.String():
			lost[c.Client] = true
		case store.Changed.String(), store.Deleted.String():
			for _, r := range append([]row{c.Row}, c.More...) {
				told[waiter{c.Client, r.ID}] = r
			}
		}
	}
	for client, all := range ids {
		for _, id := range all {
			p := k.past(id)
			last, r := p[len(p)-1], told[waiter{client, id}]
			if last.Modify > k.base && !lost[client] && r != last && !(r.Absent && last.Absent) {
				k.rec.fault("client %d was not told of %v, but of %v", client, last, r)
			}
		}
	}
}

func sameSet(a, b []int) bool {
	in := func(all []int) map[int]bool {
		m := make(map[int]bool)
		for _, v := range all {
			m[v] = true
		}
		return m
	}
	return maps.Equal(in(a), in(b))
}
