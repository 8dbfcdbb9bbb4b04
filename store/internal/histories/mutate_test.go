package histories

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mutation changes a history into one that no correct store could have made. at returns
// nil if it cannot be made at call i.
type mutation struct {
	name   string
	fault  string // part of the order check's report
	linear bool   // the other checker must find it as well
	at     func(o *order, calls []call, i int) []call
}

var mutations = []mutation{
	{"an answered write is lost", "no batch explains", true, loseWrite},
	{"an answered write is not there after a kill", "and not what was shown", true, loseAtOpen},
	{"two indexes are swapped", "and the feed has", false, swapIndexes},
	{"an index twice", "two batches have index", false, repeatIndex},
	{"a later batch has the lower index", "which has the higher index", false, beginLate},
	{"a lookup is stale", "was not so at any index", true, staleGet},
	{"a lookup sees what is to come", "was not so at any index", true, earlyGet},
	{"a snapshot lacks a write", "and not what was shown", false, staleSnapshot},
	{"the feed lacks a batch", "the feed has nothing at", false, loseFeed},
	{"a wake-up is lost until the kill", "woken too late", false, sleepOn},
	{"a wake-up comes late", "woken too late", false, wakeLate},
	{"a wait returns what was known", "that is no change above", false, wakeEarly},
	{"a wait runs out of time over a change", "was there to be seen", false, overlook},
	{"a wait runs out of time early", "time has not run out", false, expireEarly},
	{"a wait does not run out of time", "woken too late", false, neverExpire},
	{"an index goes back after a kill", "the index goes back", false, takeBack},
	{"a wait for several passes a change over", "has been passed over", false, passOver},
	{"a wait for several keeps one of a batch back", "at the same index is not given", false, keepBack},
	{"the last change is not told", "was not told", false, neverTell},
}

// places is the number of places where each mutation is tried.
const places = 2

// testMutations has the checkers look at wrong histories.
func testMutations(t *testing.T, o *order, calls []call, d *rand.Rand) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			tried := 0
			for _, i := range d.Perm(len(calls)) {
				wrong := m.at(o, calls, i)
				if wrong == nil {
					continue
				}
				_, faults := checkOrder(wrong)
				require.True(t, slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, m.fault) }),
					"%v: %q", calls[i], faults)
				if m.linear {
					run := calls[i].Run
					require.NotEmpty(t, checkLinear(wrong, run-1, run).faults, "%v", calls[i])
				}
				if tried++; tried == places {
					break
				}
			}
			require.NotZero(t, tried, "there is no place for it")
		})
	}
}

// with returns the calls with call i replaced.
func with(calls []call, i int, c call) []call {
	wrong := slices.Clone(calls)
	wrong[i] = c
	return wrong
}

// without returns the calls without those that match.
func without(calls []call, which func(i int, c call) bool) []call {
	var wrong []call
	for i, c := range calls {
		if !which(i, c) {
			wrong = append(wrong, c)
		}
	}
	return wrong
}

// is reports whether the call has a reply and is of that kind.
func (c call) is(op string) bool { return c.Op == op && !c.Flight }

// did reports whether the call is a write with a reply that changed something.
func (c call) did() bool { return c.is(opWrite) && len(c.Unknown) < len(c.Writes) }

// follows reports whether version i of p was written after the reply of the one before it, and
// answered before the time before, with no other write of it under way. So a later read must
// see it.
func (o *order) follows(p past, i int, before int64) bool {
	if i < 2 || p[i].text == "" || p[i-1].text == "" {
		return false
	}
	is, ok := o.batchAt(p[i].index)
	was, also := o.batchAt(p[i-1].index)
	return ok && also && is.answered && was.answered && was.Run == is.Run && was.End < is.Begin && is.End < before
}

func loseWrite(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.did() || c.Writes[0].Kind == kindDelete {
		return nil
	}
	n := c.Writes[0].ID
	p := o.pasts[n]
	seen := slices.ContainsFunc(o.replies, func(r call) bool {
		return r.Op == opGet && r.Run == c.Run && r.IDs[0] == n && r.Rows[n] != "" && r.Rows[n] == p[p.at(c.Index)].text
	})
	if !seen || p[p.at(c.Index)].index != c.Index {
		return nil
	}
	return without(calls, func(_ int, other call) bool { return other.Op == opWrite && other.Client == c.Client && other.N == c.N })
}

func loseAtOpen(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opOpen) || c.Run == 0 {
		return nil
	}
	for n := range c.Rows {
		p := o.pasts[n]
		if k := p.at(c.Index); o.follows(p, k, c.Begin) {
			c.Rows = maps.Clone(c.Rows)
			c.Rows[n] = p[k-1].text
			return with(calls, i, c)
		}
	}
	return nil
}

func swapIndexes(_ *order, calls []call, i int) []call {
	for k := i + 1; k < min(len(calls), i+50); k++ {
		if a, b := calls[i], calls[k]; a.did() && b.did() {
			a.Index, b.Index = b.Index, a.Index
			return with(with(calls, i, a), k, b)
		}
	}
	return nil
}

func repeatIndex(_ *order, calls []call, i int) []call {
	for k := i + 1; k < min(len(calls), i+50); k++ {
		if a, b := calls[i], calls[k]; a.did() && b.did() {
			b.Index = a.Index
			return with(calls, k, b)
		}
	}
	return nil
}

// beginLate has a batch begin after the end of one with a higher index.
func beginLate(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.did() {
		return nil
	}
	next, ok := o.batchAt(c.Index + 1)
	if !ok || !next.answered || next.Run != c.Run {
		return nil
	}
	c.Begin, c.End = next.End+1, next.End+2
	return with(calls, i, c)
}

func staleGet(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opGet) || c.Rows[c.IDs[0]] == "" {
		return nil
	}
	n := c.IDs[0]
	p := o.pasts[n]
	for k := 2; k < len(p); k++ {
		if p[k].text == c.Rows[n] && o.follows(p, k, c.Begin) {
			c.Rows = map[int]string{n: p[k-1].text}
			return with(calls, i, c)
		}
	}
	return nil
}

// earlyGet has a lookup return a version whose write had not begun.
func earlyGet(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opGet) {
		return nil
	}
	for _, v := range o.pasts[c.IDs[0]] {
		if b, ok := o.batchAt(v.index); ok && v.text != "" && b.Run == c.Run && b.Begin > c.End {
			c.Rows = map[int]string{c.IDs[0]: v.text}
			return with(calls, i, c)
		}
	}
	return nil
}

func staleSnapshot(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opSnapshot) {
		return nil
	}
	for n, text := range c.Rows {
		p := o.pasts[n]
		if k := p.at(c.Index); k > 1 && p[k-1].text != text {
			c.Rows = maps.Clone(c.Rows)
			if c.Rows[n] = p[k-1].text; p[k-1].text == "" {
				delete(c.Rows, n)
			}
			return with(calls, i, c)
		}
	}
	return nil
}

func loseFeed(_ *order, calls []call, i int) []call {
	if !calls[i].is(opFeed) {
		return nil
	}
	return without(calls, func(k int, _ call) bool { return k == i })
}

// asleep reports whether c is a wait that returned a change, with enough calls in its run
// afterwards to find it late if it had not returned.
func (o *order) asleep(c call) bool {
	if !c.is(opWait) || c.Outcome != changed || c.Min == 0 {
		return false
	}
	ends := o.runs[c.Run]
	last := ends[len(ends)-1]
	return last > c.End+int64(lateTime)*5/4 && o.progress(c.Run, c.End, last) > lateCalls*5/4
}

// sleepOn removes the reply of a wait, so that it blocks until the kill.
func sleepOn(o *order, calls []call, i int) []call {
	c := calls[i]
	if !o.asleep(c) {
		return nil
	}
	return without(calls, func(_ int, other call) bool {
		return other.Run == c.Run && other.Client == c.Client && (other.N > c.N || other.N == c.N && !other.Flight)
	})
}

// wakeLate has a wait block almost until the kill.
func wakeLate(o *order, calls []call, i int) []call {
	c := calls[i]
	if !o.asleep(c) {
		return nil
	}
	ends := o.runs[c.Run]
	c.End = ends[len(ends)-1]
	return with(calls, i, c)
}

func wakeEarly(_ *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || c.Outcome != changed {
		return nil
	}
	c.Min = c.Index
	return with(calls, i, c)
}

// overlook has a wait time out that had a change to return when it began.
func overlook(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || c.Outcome != changed || c.Min == 0 {
		return nil
	}
	if b, ok := o.batchAt(c.Index); !ok || !b.answered || b.End >= c.Begin {
		return nil
	}
	c.Outcome = timedOut
	return with(calls, i, c)
}

func expireEarly(_ *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || c.Outcome != timedOut {
		return nil
	}
	c.Limit = c.End - c.Begin + 1
	return with(calls, i, c)
}

// neverExpire has a wait that timed out go on until the end of its run.
func neverExpire(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || c.Outcome != timedOut {
		return nil
	}
	c.Outcome = changed
	if !o.asleep(c) {
		return nil
	}
	c.Outcome = timedOut
	ends := o.runs[c.Run]
	c.End = ends[len(ends)-1]
	return with(calls, i, c)
}

// takeBack has the first wait of a run return a lower index than the client's last one.
func takeBack(_ *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || c.Late || c.Run == 0 || c.Min < 2 {
		return nil
	}
	for k := i - 1; k >= 0 && calls[k].Run == c.Run; k-- {
		if calls[k].is(opWait) && calls[k].Client == c.Client {
			return nil
		}
	}
	c.Index = c.Min - 1
	return with(calls, i, c)
}

// keepBack has a wait for several return one of two changes that have the same index.
func keepBack(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || len(c.Rows) < 2 || c.Outcome != changed {
		return nil
	}
	low, high := o.within(c.Begin, c.End)
	for n := range c.Rows {
		p := o.pasts[n]
		if n != c.ID && p[p.at(low)].index == c.Index && p[p.at(high)].index == c.Index {
			c.Rows = maps.Clone(c.Rows)
			delete(c.Rows, n)
			return with(calls, i, c)
		}
	}
	return nil
}

// passOver has a wait for several return another change than the first.
func passOver(o *order, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWait) || len(c.IDs) == 1 || c.Outcome != changed {
		return nil
	}
	low, high := o.within(c.Begin, c.End)
	is := o.pasts[c.ID]
	if is[is.at(low)].index != c.Index || is[is.at(high)].index != c.Index {
		return nil
	}
	for _, n := range c.IDs {
		p := o.pasts[n]
		if v := p[p.at(low)]; v.index > c.Index && v.text != "" {
			c.ID, c.Index, c.Rows = n, v.index, map[int]string{n: v.text}
			return with(calls, i, c)
		}
	}
	return nil
}

// neverTell removes a waiting client's calls of the last run.
func neverTell(o *order, calls []call, i int) []call {
	c := calls[i]
	last := calls[len(calls)-1].Run
	if !c.is(opWait) || c.Late || c.Run != last {
		return nil
	}
	if slices.ContainsFunc(calls, func(other call) bool { return other.Client == c.Client && other.Outcome == compacted }) {
		return nil
	}
	for _, n := range c.IDs {
		p := o.pasts[n]
		if b, ok := o.batchAt(p[len(p)-1].index); ok && b.Run == last && p[len(p)-1].text != "" {
			return without(calls, func(_ int, other call) bool { return other.Client == c.Client && other.Run == last })
		}
	}
	return nil
}
