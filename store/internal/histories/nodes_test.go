package histories

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNodes records a history of schedulers that fill nodes, with kills in it, and checks it. At
// the small size it also checks the checkers.
func TestNodes(t *testing.T) {
	runs, seed := number(t, "HISTORIES_RUNS", smallRuns), number(t, "HISTORIES_SEED", rand.Uint64())
	t.Logf("HISTORIES_RUNS=%d HISTORIES_SEED=%d", runs, seed)
	calls := record(t, t.TempDir(), int(runs), seed, ofNodes)
	o := checkNodes(calls, capacity)
	for _, f := range o.faults {
		t.Error(f)
	}
	t.Logf("%d calls, %d batches, conditional writes: %v", len(calls), len(o.feed), o.count)
	v := checkRegisters(o, 0, int(runs))
	require.Empty(t, v.faults)
	require.Less(t, v.unknown, 1+v.legal/10, "searches that found nothing in time")
	t.Logf("%d nodes and runs are linearizable, %d took too long to tell", v.legal, v.unknown)
	if !t.Failed() && runs <= smallRuns {
		t.Run("tester", func(t *testing.T) { testNodeMutations(t, o, calls, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// checkNodes checks a history of nodes by its indexes.
func checkNodes(calls []call, room int) *listHistory {
	o := newListHistory(calls, nodeLists, retention)
	o.snapshots()
	for n, l := range o.lists {
		o.full(l, n == rough, room)
	}
	for _, b := range o.batches {
		o.held(b.call)
	}
	for _, c := range o.answered {
		if c.Outcome == conflict {
			o.conflict(c)
		}
	}
	for _, c := range o.replies {
		if c.Op == opRead {
			o.read(c)
		}
	}
	return o
}

// full checks that a node never has more allocations than it has room for. If it is a rough one,
// only a placement must not find it full.
func (o *listHistory) full(l *listPast, rough bool, room int) {
	alive := make(map[int]bool)
	for i, e := range l.all {
		if alive[e.is.ID] = e.reason == ""; e.reason != "" {
			delete(alive, e.is.ID)
		}
		if i+1 < len(l.all) && l.all[i+1].index == e.index {
			continue // the batch goes on
		}
		placed := slices.ContainsFunc(l.all[:i+1], func(other event) bool {
			return other.index == e.index && other.reason == "" && other.is.Alloc == e.index
		})
		if len(alive) > room && rough {
			o.count["more than its capacity"]++
		}
		if len(alive) > room && (!rough || placed) {
			o.fault("%v has %d allocations at %d, over its capacity of %d", l.Selector, len(alive), e.index, room)
		}
	}
}

// read checks a node as a scheduler saw it.
func (o *listHistory) read(c call) {
	if low, high := o.within(c.Begin, c.End); c.Index < low || c.Index > high {
		o.fault("the index may be within %d and %d: %v", low, high, c)
	}
	if want := o.at(o.lists[c.List].list, c.Index); !slices.Equal(want, c.Members) {
		o.fault("the node has %v: %v", want, c)
	}
}

// held checks that the conditions of a write held when it took effect, and that all of it did.
func (o *listHistory) held(c call) {
	for _, cond := range c.If {
		o.count["held"]++
		if was := o.found(cond, c.Index-1); cond.ID < 0 && was > cond.Index || cond.ID >= 0 && was != cond.Index {
			o.fault("the condition %v did not hold, as its index was %d: %v", cond, was, c)
		}
	}
	for _, w := range c.Writes {
		if v := o.version(w.ID, c.Index); w.Kind == kindUpsert && (v.Modify != c.Index || v.Node != nodeOf(w.Node)) {
			o.fault("only a part has taken effect, of %d there is %v: %v", w.ID, v, c)
		}
	}
}

// found returns the index that a condition finds at an index of the store.
func (o *listHistory) found(cond condition, at uint64) uint64 {
	if cond.ID < 0 {
		last, _ := o.lists[cond.List].index(at)
		return last
	}
	if v := o.version(cond.ID, at); !v.Absent {
		return v.Modify
	}
	return 0
}

// conflict checks that a condition that failed has done so at an index that was possible at the
// time.
func (o *listHistory) conflict(c call) {
	o.count[conflict]++
	f := c.Failed
	low, high := o.within(c.Begin, c.End)
	fits := slices.Contains(c.If, f)
	if f.ID < 0 {
		fits = fits && c.Index > f.Index && (o.foundWithin(f, c.Index, low, high) || o.forgettable(f.Index, high))
	} else {
		fits = fits && c.Index != f.Index && o.foundWithin(f, c.Index, low, high)
	}
	if !fits {
		o.fault("it does not conflict within %d and %d: %v", low, high, c)
	}
}

// foundWithin reports whether a condition finds an index at some index of the store from low to
// high.
func (o *listHistory) foundWithin(cond condition, index, low, high uint64) bool {
	for at := low; at <= min(high, uint64(len(o.records)-1)); at++ {
		if o.found(cond, at) == index {
			return true
		}
	}
	return false
}
