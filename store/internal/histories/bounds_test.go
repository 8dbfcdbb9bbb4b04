package histories

import (
	"math"
	"slices"
	"sort"
)

// A bound is a lowest index from a time on, or a highest index up to a time.
type bound struct {
	at    int64
	index uint64
}

// bounds limit the store's last index at any time, by the clients' replies.
type bounds struct {
	reached []bound // by time of the end: after it, at least this index
	begun   []bound // by time of the beginning: before it, less than this index
}

// newBounds uses the batches, in the order of their indexes, and the other replies with an
// index.
func newBounds(batches []batch, replies []call) *bounds {
	b := new(bounds)
	for _, w := range batches {
		if w.answered {
			b.reached = append(b.reached, bound{w.End, w.Index})
		}
		b.begun = append(b.begun, bound{w.Begin, w.Index})
	}
	for _, c := range replies {
		if published(c) {
			b.reached = append(b.reached, bound{c.End, c.Index})
		}
	}
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
	return b
}

// published reports whether the reply has an index that the whole store had reached. The
// reply of a lookup has not: it may come in the middle of a batch's publication. The same
// holds for a wait whose time has run out.
func published(c call) bool {
	switch c.Op {
	case opSnapshot, opOpen, opEnd, opMembers, opList:
		return true
	case opWait:
		return c.Min > 0 && c.news() && c.End-c.Begin < c.Limit
	}
	return false
}

// news reports whether the wait has returned a change.
func (c call) news() bool { return c.Outcome == changed || c.Outcome == deleted }

// within returns the lowest and the highest index that a call may have seen, by the times of
// its beginning and its end.
func (b *bounds) within(begin, end int64) (low, high uint64) {
	low, high = 1, math.MaxUint64
	if i := sort.Search(len(b.reached), func(i int) bool { return b.reached[i].at >= begin }); i > 0 {
		low = b.reached[i-1].index
	}
	if i := sort.Search(len(b.begun), func(i int) bool { return b.begun[i].at > end }); i < len(b.begun) {
		high = b.begun[i].index - 1
	}
	return low, high
}

// A past has all versions of one allocation, in order. The first is at index 1: absent.
type past []version

// at returns the position of the newest version at index.
func (p past) at(index uint64) int {
	i, found := slices.BinarySearchFunc(p, index, func(v version, index uint64) int {
		switch {
		case v.index < index:
			return -1
		case v.index > index:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return i
}

// find returns the first version with that text that was the newest one at an index from low
// to high, if there is one.
func (p past) find(text string, low, high uint64) (version, bool) {
	for i := p.at(low); i < len(p) && p[i].index <= high; i++ {
		if p[i].text == text {
			return p[i], true
		}
	}
	return version{}, false
}

// after returns the versions above an index.
func (p past) after(index uint64) past { return p[p.at(index)+1:] }
