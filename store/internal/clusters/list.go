package main

import (
	"strings"

	"allocstore/store"
)

// A list is one that clients wait for and follow.
type list struct {
	store.Selector
	alive, placements bool
	of                func(*row) bool
}

var (
	nodeNames = []string{"node1", "node10", "node2"}
	jobNames  = []string{"job", "job2"}
)

// someLists are the lists of all clients.
var someLists = []list{
	{store.Node("node1"), false, false, onNode("node1")},
	{store.Node("node2").NonTerminal(), true, false, onNode("node2")},
	{store.Job("job").NonTerminal().Placements(), true, true, func(r *row) bool { return r.Job == "job" }},
	{store.Prefix(idOf(poolFirst)[:1]), false, false, func(r *row) bool { return strings.HasPrefix(idOf(r.ID), idOf(poolFirst)[:1]) }},
	{store.Everything().Placements(), false, true, func(*row) bool { return true }},
}

func onNode(name string) func(*row) bool { return func(r *row) bool { return r.Node == name } }

// holds reports whether the version belongs to the list.
func (l *list) holds(r *row) bool { return !r.Absent && l.of(r) && !(l.alive && r.terminal()) }

// A departure is that of a store.Departure.
type departure struct {
	ID     int
	Index  uint64
	Reason string
}

// An event is an arrival, a change or a departure of a list.
type event struct {
	index  uint64
	is     row
	reason string // of a departure, else ""
}

// event returns the event that a change of an allocation makes in the list.
func (l *list) event(index uint64, was, is *row) (e event, ok bool) {
	e = event{index: index, is: *is}
	before, after := l.holds(was), l.holds(is)
	switch {
	case before && is.Absent:
		e.reason = store.Removed.String()
	case before && !l.of(is):
		e.reason = store.Moved.String()
	case before && !after:
		e.reason = store.Terminated.String()
	case !after || before && !l.counts(was, is):
		return e, false
	}
	return e, true
}

// counts reports whether the change of a member that stays is one of the list.
func (l *list) counts(was, is *row) bool {
	return !l.placements || is.Alloc == is.Modify || is.Next != "" && is.Next != was.Next
}
