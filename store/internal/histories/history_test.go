package histories

import (
	"math"
	"slices"
	"sort"
)

// never is the end of a call without a reply.
const never = int64(math.MaxInt64)

// A batch is a write with its index.
type batch struct {
	call
	answered bool
}

// A version is an allocation after a batch. Its text is "" if the batch deleted it.
type version struct {
	index uint64
	text  string
}

// A history is all calls, sorted by kind.
type history struct {
	answered []call          // writes with a reply
	flights  []call          // writes without a reply
	replies  []call          // lookups, waits, snapshots, in the order of their ends
	blocked  []call          // waits without a reply; their end is that of the run
	feed     map[uint64]call // by index
	opens    []call
	runs     map[int][]int64 // by run: the ends of all calls, in order
	faults   []string
}

// newHistory sorts the calls.
func newHistory(calls []call) *history {
	h := &history{feed: make(map[uint64]call), runs: make(map[int][]int64)}
	done := make(map[[2]int]bool)
	for _, c := range calls {
		if c.Err != "" {
			h.fault("a fault that the child has seen: %v", c)
		}
		if !c.Flight {
			done[[2]int{c.Client, c.N}] = true
			h.runs[c.Run] = append(h.runs[c.Run], c.End)
		}
	}
	for _, ends := range h.runs {
		slices.Sort(ends)
	}
	var fed uint64
	for _, c := range calls {
		switch pending := c.Flight && !done[[2]int{c.Client, c.N}]; {
		case pending && c.Op == opWrite:
			c.End = never
			h.flights = append(h.flights, c)
		case pending:
			c.End = c.Begin
			if ends := h.runs[c.Run]; len(ends) > 0 {
				c.End = max(c.End, ends[len(ends)-1])
			}
			h.blocked = append(h.blocked, c)
		case c.Flight:
		case c.Op == opWrite:
			h.answered = append(h.answered, c)
		case c.Op == opFeed:
			if c.Index <= fed {
				h.fault("the feed goes back from %d: %v", fed, c)
			}
			fed = c.Index
			h.feed[c.Index] = c
		default:
			if c.Op == opOpen {
				h.opens = append(h.opens, c)
			}
			h.replies = append(h.replies, c)
		}
	}
	sort.SliceStable(h.replies, func(i, k int) bool { return h.replies[i].End < h.replies[k].End })
	return h
}

// progress returns the number of calls of the run that ended between the two times.
func (h *history) progress(run int, from, to int64) int {
	ends := h.runs[run]
	first, _ := slices.BinarySearch(ends, from)
	last, _ := slices.BinarySearch(ends, to)
	return last - first
}
