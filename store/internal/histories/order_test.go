package histories

import (
	"fmt"
	"maps"
	"slices"
	"sort"
)

// An order is the history in the order of the indexes, in which all batches took effect, with
// the rows after each.
type order struct {
	*history
	*bounds
	rows    map[int]*row // after the last batch
	pasts   []past
	batches []batch // sorted by index
	last    uint64
	count   map[string]int // of the outcomes of waits
	unseen  int            // snapshots older than an earlier read of another client
}

// checkOrder checks a history by its indexes, and returns the violations.
func checkOrder(calls []call) (*order, []string) {
	o := &order{history: newHistory(calls), rows: make(map[int]*row), count: make(map[string]int), pasts: make([]past, total)}
	for n := range o.pasts {
		o.pasts[n] = past{{index: 1}}
	}
	o.replay()
	o.bounds = newBounds(o.batches, o.replies)
	o.realTime()
	o.idle()
	o.reads()
	o.waits()
	return o, o.faults
}

// maxFaults bounds the number of reported violations.
const maxFaults = 20

func (h *history) fault(format string, args ...any) {
	if len(h.faults) < maxFaults {
		h.faults = append(h.faults, fmt.Sprintf(format, args...))
	}
}

// replay applies all batches in order, and compares the rows with the feed and the
// snapshots.
func (o *order) replay() {
	byIndex := make(map[uint64]call)
	for _, c := range o.answered {
		o.last = max(o.last, c.Index)
		if len(c.Unknown) == len(c.Writes) {
			continue
		}
		if other, twice := byIndex[c.Index]; twice {
			o.fault("two batches have index %d: %v and %v", c.Index, other, c)
		}
		byIndex[c.Index] = c
	}
	snaps := make(map[uint64][]call)
	for _, c := range o.replies {
		if c.Op == opSnapshot || c.Op == opOpen || c.Op == opEnd {
			o.last = max(o.last, c.Index)
			snaps[c.Index] = append(snaps[c.Index], c)
		}
	}
	for index := range o.feed {
		o.last = max(o.last, index)
	}
	for index := uint64(1); index <= o.last; index++ {
		if index > 1 && !o.step(index, byIndex) {
			return
		}
		for _, c := range snaps[index] {
			if texts := o.texts(); !maps.Equal(texts, c.Rows) {
				o.fault("at %d there is %v, and not what was shown: %v", index, texts, c)
			}
		}
	}
}

// texts returns the texts of all rows.
func (o *order) texts() map[int]string {
	texts := make(map[int]string)
	for n, r := range o.rows {
		texts[n] = r.text()
	}
	return texts
}

// step applies the batch at index. It reports whether there is one.
func (o *order) step(index uint64, byIndex map[uint64]call) bool {
	feed, fed := o.feed[index]
	if !fed {
		o.fault("the feed has nothing at %d", index)
	}
	c, answered := byIndex[index]
	if !answered {
		var found bool
		if c, found = o.match(feed); !found {
			o.fault("no batch explains what the feed has at %d: %v", index, feed)
			return false
		}
	}
	rows, unknown := o.try(c, index)
	if want := textsOf(rows); fed && !maps.Equal(want, feed.Rows) {
		o.fault("%v makes %v, and the feed has %v", c, want, feed)
	}
	if answered && !slices.Equal(sorted(unknown), sorted(c.Unknown)) {
		o.fault("what was not there at %d is %v, and not what was told: %v", index, unknown, c)
	}
	for n, r := range rows {
		o.pasts[n] = append(o.pasts[n], version{index, r.text()})
		if o.rows[n] = r; r == nil {
			delete(o.rows, n)
		}
	}
	o.batches = append(o.batches, batch{c, answered})
	return true
}

// try returns the rows that a batch would change at index, and the absent ones that it names.
func (o *order) try(c call, index uint64) (rows map[int]*row, unknown []int) {
	rows = make(map[int]*row)
	for _, w := range c.Writes {
		if next, did := o.rows[w.ID].apply(w, index); did {
			rows[w.ID] = next
		} else {
			unknown = append(unknown, w.ID)
		}
	}
	return rows, unknown
}

func textsOf(rows map[int]*row) map[int]string {
	texts := make(map[int]string)
	for n, r := range rows {
		texts[n] = r.text()
	}
	return texts
}

func sorted(ids []int) []int { return slices.Sorted(slices.Values(ids)) }

// match finds the write in flight that made this batch of the feed, and removes it from the
// flights. It belongs to the last run that opened the file below this index, and ended before
// the next run opened it.
func (o *order) match(feed call) (call, bool) {
	run, end := 0, never
	for _, open := range o.opens {
		if open.Index < feed.Index {
			run = open.Run
		}
	}
	for _, open := range slices.Backward(o.opens) {
		if open.Run > run {
			end = open.End
		}
	}
	for i, c := range o.flights {
		if c.Run != run {
			continue
		}
		if rows, _ := o.try(c, feed.Index); len(rows) > 0 && maps.Equal(textsOf(rows), feed.Rows) {
			o.flights = slices.Delete(o.flights, i, i+1)
			c.Index, c.End = feed.Index, end
			return c, true
		}
	}
	return call{}, false
}

// realTime checks that a batch that began after the end of another has the higher index, and
// that the answered batches of a child are present when the next child opens the store.
func (o *order) realTime() {
	var first *batch // of those with a higher index, the one that ended first
	for i := len(o.batches) - 1; i >= 0; i-- {
		b := &o.batches[i]
		if first != nil && b.Begin > first.End {
			o.fault("%v began after %v had ended, which has the higher index", b, first)
		}
		if first == nil || b.End < first.End {
			first = b
		}
	}
	opens := slices.Clone(o.opens)
	sort.SliceStable(opens, func(i, k int) bool { return opens[i].Run < opens[k].Run })
	for _, b := range o.batches {
		for _, open := range opens {
			if open.Run <= b.Run && open.Index >= b.Index || open.Run > b.Run && open.Index < b.Index {
				o.fault("%v and %v are in the wrong order", b, open)
			}
		}
	}
}

// idle checks the writes that changed nothing: all their allocations must be absent.
func (o *order) idle() {
	for _, c := range o.answered {
		if len(c.Unknown) < len(c.Writes) {
			continue
		}
		if low, high := o.within(c.Begin, c.End); c.Index < low || c.Index > high {
			o.fault("the index may be within %d and %d: %v", low, high, c)
		}
		for _, n := range c.Unknown {
			if p := o.pasts[n]; p[p.at(c.Index)].text != "" {
				o.fault("%d was there: %v", n, c)
			}
		}
	}
}

// reads checks lookups and snapshots: each must show the state at an index that was possible at
// its time. A lookup must not show an older version than an earlier lookup or wait did. A
// snapshot may, and such snapshots are counted: a lookup finds a batch that is being published,
// before the last index moves.
func (o *order) reads() {
	seen := make([][]bound, total) // by allocation, in the order of the ends
	for _, c := range o.replies {
		low, high := o.within(c.Begin, c.End)
		switch c.Op {
		case opGet:
			n := c.IDs[0]
			low = max(low, seenBefore(seen[n], c.Begin))
			v, ok := o.pasts[n].find(c.Rows[n], low, high)
			if !ok {
				o.fault("%d was not so at any index within %d and %d: %v", n, low, high, c)
				continue
			}
			seen[n] = saw(seen[n], c.End, v.index)
		case opWait:
			if c.news() {
				seen[c.ID] = saw(seen[c.ID], c.End, c.Index)
			}
		case opSnapshot, opOpen, opEnd:
			if c.Index < low || c.Index > high {
				o.fault("the index may be within %d and %d: %v", low, high, c)
			}
			for n := range seen {
				if seenBefore(seen[n], c.Begin) > c.Index {
					o.unseen++
					break
				}
			}
		}
	}
}

// saw records that a version was seen at a time, which is the latest so far.
func saw(seen []bound, at int64, index uint64) []bound {
	if len(seen) > 0 {
		index = max(index, seen[len(seen)-1].index)
	}
	return append(seen, bound{at, index})
}

// seenBefore returns the highest index seen before a time.
func seenBefore(seen []bound, at int64) uint64 {
	i := sort.Search(len(seen), func(i int) bool { return seen[i].at >= at })
	if i == 0 {
		return 0
	}
	return seen[i-1].index
}
