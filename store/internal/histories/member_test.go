package histories

import (
	"fmt"
	"slices"
	"strings"

	"allocstore/schema"
	"allocstore/store"
)

// A member is one version of an allocation, as the logs of the lists have it.
type member struct {
	ID     int
	Absent bool   `json:",omitempty"` // deleted: all that follows is zero, except Modify in a model
	Create uint64 `json:",omitempty"`
	Modify uint64 `json:",omitempty"`
	Alloc  uint64 `json:",omitempty"`

	Name, Node, Job string `json:",omitempty"`
	Desired, Why    string `json:",omitempty"` // the scheduler's status and its description
	Client, Report  string `json:",omitempty"` // the client's
	Next, Event     string `json:",omitempty"`
}

// A departure is that of a ListResult.
type departure struct {
	ID     int
	Index  uint64
	Reason string
}

// memberOf returns an allocation from the store. a is nil if it was deleted.
func memberOf(id string, a *schema.Allocation) member {
	n := numberOf(id)
	if a == nil {
		return member{ID: n, Absent: true}
	}
	m := member{
		ID: n, Create: a.CreateIndex, Modify: a.ModifyIndex, Alloc: a.AllocModifyIndex, Name: a.Name, Node: a.NodeID, Job: a.JobID,
		Desired: a.DesiredStatus, Why: a.DesiredDescription, Client: a.ClientStatus, Report: a.ClientDescription, Next: a.NextAllocation,
	}
	if ts := a.TaskStates[task]; ts != nil {
		for ev := range ts.Events.All() {
			m.Event = ev.Message
		}
	}
	if a.ID != id || a.Job == nil || a.Job.ID != a.JobID {
		m.Name = fmt.Sprintf("not %s but %+v", id, a)
	}
	return m
}

func membersOf(allocs []*schema.Allocation) (all []member) {
	for _, a := range allocs {
		all = append(all, memberOf(a.ID, a))
	}
	return all
}

func departureOf(d store.Departure) departure {
	return departure{numberOf(d.ID), d.Index, d.Reason.String()}
}

// tokens are the texts of the writes that made the version.
func (m *member) tokens() []string { return []string{m.Name, m.Why, m.Report, m.Event} }

// terminal is Terminal of the documentation.
func (m *member) terminal() bool {
	return m.Desired == "stop" || m.Desired == "evict" || m.Client == "complete" || m.Client == "failed" || m.Client == "lost"
}

// byID compares IDs as the store sorts them.
func byID(a, b member) int { return strings.Compare(idOf(a.ID), idOf(b.ID)) }

// A list is one that readers wait for.
type list struct {
	store.Selector
	alive, placements bool
	of                func(*member) bool
}

// holds reports whether the version belongs to the list.
func (l *list) holds(m *member) bool {
	return !m.Absent && l.of(m) && !(l.alive && m.terminal())
}

// counts reports whether the change of a member that stays is one of the list.
func (l *list) counts(was, is *member) bool {
	return !l.placements || is.Alloc == is.Modify || is.Next != "" && is.Next != was.Next
}

// Nodes and jobs of the lists.
var (
	listNodes = []string{"node1", "node10", "node2"}
	listJobs  = []string{"job", "job2"}
)

// variants returns the four lists of a selector.
func variants(sel store.Selector, of func(*member) bool) []list {
	return []list{
		{sel, false, false, of},
		{sel.NonTerminal(), true, false, of},
		{sel.Placements(), false, true, of},
		{sel.NonTerminal().Placements(), true, true, of},
	}
}

// someLists are the lists of the history of lists.
var someLists = func() (all []list) {
	for _, node := range listNodes {
		all = append(all, variants(store.Node(node), func(m *member) bool { return m.Node == node })...)
	}
	return slices.Concat(all,
		variants(store.Job(listJobs[0]), func(m *member) bool { return m.Job == listJobs[0] }),
		variants(store.Everything(), func(*member) bool { return true }),
		variants(store.Prefix(idOf(1)[:3]), func(m *member) bool { return strings.HasPrefix(idOf(m.ID), idOf(1)[:3]) }))
}()
