package cluster

import (
	"slices"

	"allocstore/bench/internal/fleet"
	"allocstore/schema"
	"allocstore/store"
)

// A fate is how a task ends.
type fate uint8

const (
	completes fate = iota
	fails
	isStopped // by its scheduler
	runsOn
)

// fateOf has few that run on, so that they never fill the nodes.
func fateOf(i int) fate {
	if i%16 == 7 {
		return runsOn
	}
	return [...]fate{isStopped, fails, completes, fails, isStopped, completes, completes, fails}[i%8]
}

// isCollected reports whether the collector deletes allocation i after its end.
func isCollected(i int) bool { return i%3 == 0 }

// startEvents is the number of events until a task runs.
const startEvents = 5

// stopReason is the description of a stopped allocation.
const stopReason = "alloc not needed due to job update"

// running returns the agent's report that allocation i runs.
func (c *Cluster) running(i int) *schema.Allocation {
	return c.fleet.Update(i, fleet.State(i, startEvents))
}

// ended returns the agent's report that allocation i has ended. Its task may not have
// started.
func (c *Cluster) ended(i int, started bool) *schema.Allocation {
	if !started {
		return &schema.Allocation{ID: c.fleet.ID(i), ClientStatus: schema.ClientStatusComplete}
	}
	ts := fleet.State(i, startEvents)
	ev := schema.TaskEvent{Type: schema.TaskTerminated, Time: fleet.Event(i, startEvents).Time}
	if fateOf(i) == fails {
		ev.ExitCode = 1
	}
	ts.Record(schema.TaskStateDead, ev)
	upd := c.fleet.Update(i, ts)
	if upd.ClientStatus = schema.ClientStatusComplete; fateOf(i) == fails {
		upd.ClientStatus = schema.ClientStatusFailed
	}
	return upd
}

// A kind is one of the changes in the life of an allocation.
type kind uint8

const (
	isPlaced kind = iota
	isStopping
	isRunning
	isEnded
	isDeleted
)

// A moment is a change of an allocation and its index.
type moment struct {
	kind  kind
	index uint64
}

// moments returns all changes of an allocation so far, in the order of their indexes.
func (f *facts) moments() []moment {
	all := []moment{{isPlaced, f.placed}, {isStopping, f.stopped}, {isRunning, f.ran}, {isEnded, f.ended}, {isDeleted, f.deleted}}
	all = slices.DeleteFunc(all, func(m moment) bool { return m.index == 0 })
	slices.SortFunc(all, func(a, b moment) int { return int(int64(a.index) - int64(b.index)) })
	return all
}

// A variant is one of the four variants of a node's list.
type variant struct{ nonTerminal, placements bool }

// list returns the selector of a node's list in this variant.
func (v variant) list(node string) store.Selector {
	sel := store.Node(node)
	if v.nonTerminal {
		sel = sel.NonTerminal()
	}
	if v.placements {
		sel = sel.Placements()
	}
	return sel
}

// counts reports whether a change of a member moves the list.
func (v variant) counts(k kind) bool {
	switch k {
	case isRunning:
		return !v.placements
	case isEnded:
		return v.nonTerminal || !v.placements
	case isDeleted:
		return !v.nonTerminal
	}
	return true
}

// departure returns the reason with which a member leaves the list at a change, or 0.
func (v variant) departure(k kind) store.DepartureReason {
	switch {
	case k == isDeleted && !v.nonTerminal:
		return store.Removed
	case v.nonTerminal && (k == isStopping || k == isEnded):
		return store.Terminated
	}
	return 0
}

// counted returns the changes of an allocation that move the list. After a departure there
// are no more.
func (v variant) counted(f *facts) (moves []moment) {
	for _, m := range f.moments() {
		if v.counts(m.kind) {
			moves = append(moves, m)
		}
		if v.departure(m.kind) != 0 {
			break
		}
	}
	return moves
}

// note notes a change: the agent of the node and the collector must see it. The reports on a
// service may come after its stop, which ends it in NonTerminal. So there they are not
// waited for, and the stop is, which always comes.
func (c *Cluster) note(i int, k kind, index uint64) {
	f := &c.facts[i]
	switch k {
	case isPlaced:
		f.placed = index
	case isStopping:
		f.stopped = index
	case isRunning:
		f.ran = index
	case isEnded:
		f.ended = index
	case isDeleted:
		f.deleted = index
	}
	a := c.agents[f.node]
	service := a.nonTerminal && fateOf(i) == isStopped && (k == isRunning || k == isEnded)
	if a.counts(k) && !service {
		a.reach(index)
	}
	c.collector.reach(index)
}
