package histories

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A listMutation changes a history of lists into one that no correct store could have made.
type listMutation struct {
	name  string
	fault string // part of the report
	at    func(o *listHistory, calls []call, i int) []call
}

var listMutations = []listMutation{
	{"an answered write is lost", "is lost", loseListWrite},
	{"the feed lacks a batch", "the feed has nothing at", loseListFeed},
	{"a list lacks a member after a kill", "the list is", loseMember},
	{"a result lacks a change", "arrived or changed", func(_ *listHistory, calls []call, i int) []call {
		return inResult(calls, i, func(c *call) bool {
			c.Members = c.Members[:max(len(c.Members)-1, 0)]
			return len(calls[i].Members) > 0
		})
	}},
	{"a result lacks a departure", "left: ", func(_ *listHistory, calls []call, i int) []call {
		return inResult(calls, i, func(c *call) bool {
			c.Gone = c.Gone[:max(len(c.Gone)-1, 0)]
			return len(calls[i].Gone) > 0
		})
	}},
	{"a departure has another index", "left: ", func(_ *listHistory, calls []call, i int) []call {
		return inGone(calls, i, func(d *departure) { d.Index++ })
	}},
	{"a departure has another reason", "left: ", func(_ *listHistory, calls []call, i int) []call {
		return inGone(calls, i, func(d *departure) { d.Reason += "?" })
	}},
	{"a member has left too", "is a member and has left", func(_ *listHistory, calls []call, i int) []call {
		return inResult(calls, i, func(c *call) bool {
			if c.Late || c.Full || len(c.Members) == 0 {
				return false
			}
			c.Gone = append(slices.Clone(c.Gone), departure{c.Members[0].ID, c.Index, "Removed"})
			return true
		})
	}},
	{"a result shows a write that is not there after a kill", "never was there", func(_ *listHistory, calls []call, i int) []call {
		return inResult(calls, i, func(c *call) bool {
			if len(c.Members) == 0 {
				return false
			}
			c.Members = slices.Clone(c.Members)
			c.Members[0].Name += "?"
			return true
		})
	}},
	{"a result is early", "was not so at any index", earlyResult},
	{"the index of a result is too high", "the index of the list is", func(o *listHistory, calls []call, i int) []call {
		return inResult(calls, i, func(c *call) bool {
			_, next := o.lists[c.List].index(c.Index)
			_, high := o.within(c.Begin, c.End)
			c.Index++
			return !c.Full && c.Index < next && c.Index <= high && !slices.ContainsFunc(c.Members, func(m member) bool {
				_, high, _ := o.narrow(m, 0, next)
				return high < c.Index
			})
		})
	}},
	{"an index goes back", "the index goes back", func(_ *listHistory, calls []call, i int) []call {
		return inResult(calls, i, func(c *call) bool {
			c.Index = c.Min - min(c.Min, 1)
			return !c.Late && c.Min > 1
		})
	}},
	{"the index of a list goes back for another reader", "the index of the list was", oldList},
	{"a wait runs out of time over a change", "was there to be seen", overlookList},
	{"a wake-up is lost until the kill", "woken too late", sleepOnList},
	{"the last change is not told", "the reader has", loseLastResult},
	{"a result is lost at a kill", "does not go on at the index", loseResultAtKill},
	{"a follower is not given a change", "the change is", loseFollowed},
	{"a follower resumes with a gap", "does not go on where it was", func(_ *listHistory, calls []call, i int) []call {
		c := calls[i]
		c.Index++
		if c.Op != opResume || c.Run == 0 || c.Index == 1 || c.Outcome != "" {
			return nil
		}
		return with(calls, i, c)
	}},
	{"a follower is not told of the end", "was not told of all changes", loseFollowedEnd},
}

// testListMutations has the checker look at wrong histories.
func testListMutations(t *testing.T, o *listHistory, calls []call, d *rand.Rand) {
	for _, m := range listMutations {
		t.Run(m.name, func(t *testing.T) {
			for _, i := range d.Perm(len(calls)) {
				wrong := m.at(o, calls, i)
				if wrong == nil {
					continue
				}
				faults := checkLists(wrong).faults
				require.True(t, slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, m.fault) }), "%v: %q", calls[i], faults)
				return
			}
			t.Error("there is no place for it")
		})
	}
}

// inResult returns the calls with a change in call i, if that is a result with a change of the
// list, and change returns true.
func inResult(calls []call, i int, change func(c *call) bool) []call {
	c := calls[i]
	if !c.is(opList) || c.Outcome == timedOut || !change(&c) {
		return nil
	}
	return with(calls, i, c)
}

// inGone is inResult with a change in a departure.
func inGone(calls []call, i int, change func(d *departure)) []call {
	return inResult(calls, i, func(c *call) bool {
		if len(c.Gone) == 0 {
			return false
		}
		c.Gone = slices.Clone(c.Gone)
		change(&c.Gone[0])
		return true
	})
}

func loseListWrite(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	if !c.did() || c.twice() || slices.Contains(c.Unknown, c.Writes[0].ID) {
		return nil
	}
	feed := slices.IndexFunc(calls, func(other call) bool { return other.Op == opFeed && other.Index == c.Index })
	lost := calls[feed]
	lost.Members = slices.DeleteFunc(slices.Clone(lost.Members), func(m member) bool { return m.ID == c.Writes[0].ID })
	return with(calls, feed, lost)
}

func loseListFeed(_ *listHistory, calls []call, i int) []call {
	if calls[i].Op != opFeed || calls[i].Index < 3 {
		return nil
	}
	return without(calls, func(k int, _ call) bool { return k == i })
}

func loseMember(_ *listHistory, calls []call, i int) []call {
	c := calls[i]
	if c.Op != opMembers || c.Run == 0 || len(c.Members) == 0 {
		return nil
	}
	c.Members = c.Members[1:]
	return with(calls, i, c)
}

// earlyResult has a result come before the write of its change begins.
func earlyResult(o *listHistory, calls []call, i int) []call {
	return inResult(calls, i, func(c *call) bool {
		for _, b := range o.batches {
			if b.Index == c.Index && b.Run == c.Run && !c.Full {
				c.Begin, c.End = b.Begin-2, b.Begin-1
				_, high := o.within(c.Begin, c.End)
				return high < c.Index
			}
		}
		return false
	})
}

// oldList has a reader see a list as it was before an earlier result.
func oldList(o *listHistory, calls []call, i int) []call {
	return inResult(calls, i, func(c *call) bool {
		if c.Index--; c.Min > 0 || c.Index == 0 {
			return false
		}
		return slices.ContainsFunc(o.replies, func(r call) bool {
			return r.Op == opList && r.List == c.List && r.End < c.Begin && r.Index > c.Index && r.Outcome != timedOut
		})
	})
}

func overlookList(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	low, _ := o.within(c.Begin, c.End)
	if _, next := o.lists[c.List].index(c.Min); !c.is(opList) || c.Full || next > low {
		return nil
	}
	c.Outcome, c.Members, c.Gone, c.Index = timedOut, nil, nil, low
	return with(calls, i, c)
}

// sleepOnList has a reader never return, though its list changes long before the kill.
func sleepOnList(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	if ends := o.runs[c.Run]; !c.is(opList) || c.Full || c.Limit < int64(time.Second) || ends[len(ends)-1]-c.End < 2*int64(lateTime) ||
		o.progress(c.Run, c.End, ends[len(ends)-1]) < 2*lateCalls || c.Outcome == timedOut {
		return nil
	}
	_, next := o.lists[c.List].index(c.Min)
	known := slices.ContainsFunc(o.batches, func(b batch) bool { return b.Index == next && b.answered && b.End <= c.End })
	if !known {
		return nil
	}
	return without(calls, func(_ int, other call) bool {
		return other.Client == c.Client && other.Run == c.Run && (other.N > c.N || other.N == c.N && !other.Flight)
	})
}

// loseLastResult removes the results of a reader from the last change of its list on.
func loseLastResult(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opList) || c.Late || c.Outcome == timedOut {
		return nil
	}
	if last, _ := o.lists[c.List].index(uint64(len(o.records))); c.Index != last {
		return nil
	}
	return without(calls, func(_ int, other call) bool { return other.Client == c.Client && other.N >= c.N })
}

// loseResultAtKill removes the last result of a reader in a run.
func loseResultAtKill(_ *listHistory, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opList) || c.Late || c.Index == c.Min {
		return nil
	}
	for _, other := range calls[i+1:] {
		if other.Client == c.Client && other.is(opList) {
			if other.Run == c.Run {
				return nil
			}
			return without(calls, func(k int, _ call) bool { return k == i })
		}
	}
	return nil
}

func loseFollowed(_ *listHistory, calls []call, i int) []call {
	c := calls[i]
	if c.Op != opFollow || c.Full || len(c.Gone) == 0 {
		return nil
	}
	for _, other := range calls[i+1:] {
		if other.Client == c.Client {
			if other.Op == opResume {
				return nil
			}
			return without(calls, func(k int, _ call) bool { return k == i })
		}
	}
	return nil
}

func loseFollowedEnd(_ *listHistory, calls []call, i int) []call {
	c := calls[i]
	if c.Op != opFollow || c.Full || slices.ContainsFunc(calls[i+1:], func(other call) bool { return other.Client == c.Client }) {
		return nil
	}
	return without(calls, func(k int, _ call) bool { return k == i })
}
