package histories

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A nodeMutation changes a history of nodes into one that no correct store could have made.
type nodeMutation struct {
	name   string
	fault  string // part of the report by indexes
	linear bool   // the other checker must find it as well
	at     func(o *listHistory, calls []call, i int) []call
}

var nodeMutations = []nodeMutation{
	{"a write goes through in spite of a conflict", "is lost", true, passConflict},
	{"a write is refused that took effect", "said to have been refused", true, refuse},
	{"a write goes through on what is no longer so", "did not hold", false, staleCondition},
	{"a conflict has no cause", "it does not conflict", false, func(_ *listHistory, calls []call, i int) []call {
		c := calls[i]
		c.Index = c.Failed.Index
		if !c.is(opWrite) || c.Outcome != conflict {
			return nil
		}
		return with(calls, i, c)
	}},
	{"only a part of a write takes effect", "only a part", false, halfWrite},
	{"a node is not what it was at the index", "the node has", false, func(_ *listHistory, calls []call, i int) []call {
		c := calls[i]
		if !c.is(opRead) || len(c.Members) == 0 {
			return nil
		}
		c.Members = c.Members[1:]
		return with(calls, i, c)
	}},
	{"a placement is not there after a kill", "the list is", true, loseAtKill},
}

// testNodeMutations has the checkers look at wrong histories.
func testNodeMutations(t *testing.T, o *listHistory, calls []call, d *rand.Rand) {
	find := func(t *testing.T, faults []string, part string, c call) {
		require.True(t, slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, part) }), "%v: %q", c, faults)
	}
	t.Run("a node is over its capacity", func(t *testing.T) {
		find(t, checkNodes(calls, capacity-1).faults, "over its capacity", call{})
	})
	for _, m := range nodeMutations {
		t.Run(m.name, func(t *testing.T) {
			for _, i := range d.Perm(len(calls)) {
				wrong := m.at(o, calls, i)
				if wrong == nil {
					continue
				}
				w := checkNodes(wrong, capacity)
				find(t, w.faults, m.fault, calls[i])
				if run := calls[i].Run; m.linear {
					require.NotEmpty(t, checkRegisters(w, run-1, run).faults, "%v", calls[i])
				}
				return
			}
			t.Error("there is no place for it")
		})
	}
}

// placesOn returns the condition on the node of a write that is one placement.
func (c *call) placesOn() (cond condition, ok bool) {
	if !c.is(opWrite) || len(c.Writes) != 1 || c.Writes[0].Kind != kindUpsert {
		return cond, false
	}
	i := slices.IndexFunc(c.If, func(cond condition) bool { return cond.ID < 0 })
	return c.If[i], true
}

// seenOn reports whether a node is read with the write's allocation in it, after its reply.
func (o *listHistory) seenOn(c call) bool {
	return slices.ContainsFunc(o.replies, func(r call) bool {
		return r.Op == opRead && r.Run == c.Run && r.Begin > c.End && slices.ContainsFunc(r.Members, func(m member) bool { return m.Name == c.Writes[0].Token })
	})
}

// missedOn reports whether a node is read after the write's reply, while no other write of its
// allocation is under way.
func (o *listHistory) missedOn(c call, node int) bool {
	i := slices.IndexFunc(o.replies, func(r call) bool { return r.Op == opRead && r.Run == c.Run && r.List == node && r.Begin > c.End })
	return i >= 0 && !slices.ContainsFunc(slices.Concat(o.answered, o.flights), func(other call) bool {
		return other.Begin < o.replies[i].End && other.End > c.Begin && (other.Client != c.Client || other.N != c.N) &&
			slices.ContainsFunc(other.Writes, func(w write) bool { return w.ID == c.Writes[0].ID })
	})
}

// passConflict has a write go through that no later read shows.
func passConflict(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	if cond, ok := c.placesOn(); !ok || c.Outcome != conflict || c.Failed.ID >= 0 || !o.missedOn(c, cond.List) {
		return nil
	}
	c.Outcome, c.Failed = "", condition{}
	return with(calls, i, c)
}

func refuse(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	cond, ok := c.placesOn()
	if !ok || c.Outcome != "" || !o.seenOn(c) {
		return nil
	}
	c.Outcome, c.Failed = conflict, cond
	return with(calls, i, c)
}

// staleCondition has a write depend on an index before the latest change of its node.
func staleCondition(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	cond, ok := c.placesOn()
	if !ok || c.Outcome != "" {
		return nil
	}
	k := slices.Index(c.If, cond)
	last, _ := o.lists[cond.List].index(c.Index - 1)
	c.If = slices.Clone(c.If)
	c.If[k].Index = last - 1
	return with(calls, i, c)
}

// halfWrite removes one of several placements of a batch from the feed.
func halfWrite(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	if !c.is(opWrite) || c.Outcome != "" || len(c.Writes) < 2 {
		return nil
	}
	feed := slices.IndexFunc(calls, func(other call) bool { return other.Op == opFeed && other.Index == c.Index })
	half := calls[feed]
	half.Members = half.Members[1:]
	return with(calls, feed, half)
}

// loseAtKill removes an allocation from the opening after a kill, which no write in flight
// explains.
func loseAtKill(o *listHistory, calls []call, i int) []call {
	c := calls[i]
	if c.Op != opOpen || c.Run == 0 {
		return nil
	}
	for k, m := range c.Members {
		flight := slices.ContainsFunc(o.flights, func(f call) bool {
			return slices.ContainsFunc(f.Writes, func(w write) bool { return w.ID == m.ID })
		})
		if !flight && !m.terminal() {
			c.Members = slices.Delete(slices.Clone(c.Members), k, k+1)
			return with(calls, i, c)
		}
	}
	return nil
}
