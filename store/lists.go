package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"allocstore/schema"
)

// lists are the secondary indexes: which IDs there are, and which of them each
// node, job and evaluation has. They are memory only, rebuilt at Open.
//
// They answer for every index that somebody still reads at, and that by being
// too large: an ID is added when its version is published, and taken out no
// sooner than when no open snapshot is from before the write that removed it.
// A reader therefore finds every ID that belongs to its index, finds some that
// do not, and asks the version at its index, which is the one that decides. So
// nothing needs to be copied for a snapshot, and the sets need no versions.
type lists struct {
	mu struct {
		sync.RWMutex // guards all below; a leaf lock, held for one page or one write
		all          idset
		unplaced     idset // those of which it is not known where they belong; see quarantine
		by           [byKinds]map[string]*idset

		// leaving are the IDs that go when no snapshot is older than the index,
		// and queue the same in the order of the indexes. An ID that is listed
		// again leaves the map; its place in the queue then stands for nothing.
		leaving map[listed]uint64
		queue   []departure
	}
}

// A departure is an ID that goes from a list at an index.
type departure struct {
	listed
	index uint64
}

// A listKind is what the IDs of a list have in common.
type listKind uint8

const (
	byNode listKind = iota
	byJob
	byEval

	byKinds = iota // how many kinds there are that have a list for each name

	byAll    listKind = byKinds     // the one list of all
	unplaced listKind = byKinds + 1 // the one of those whose place is not known
)

// listed is one place of an ID: in the list of all, or in that of a node, a job
// or an evaluation.
type listed struct {
	kind listKind
	name string
	id   schema.ID
}

// A placement is what an allocation is listed under.
type placement [byKinds]string

// A relisting is what a change means for the lists: where the allocation was and
// where it will be listed. What does not apply is empty.
type relisting struct {
	from, to placement
	unplaced bool // from is not known: it is in no list of a node, a job or an evaluation
}

// placementOf returns what a is listed under.
func placementOf(a *schema.Allocation) placement {
	return placement{byNode: a.NodeID, byJob: a.JobID, byEval: a.EvalID}
}

// placementIn returns what the allocation with that scheduler's part is listed
// under. It aliases body.
func placementIn(body string) (p placement, err error) {
	p[byEval], p[byNode], p[byJob], err = schema.Placement(body)
	return p, err
}

func newLists() *lists {
	l := new(lists)
	for kind := range l.mu.by {
		l.mu.by[kind] = make(map[string]*idset)
	}
	l.mu.leaving = make(map[listed]uint64)
	return l
}

// insert lists id under p, for good: a removal that was still to come is off.
func (l *lists) insert(id schema.ID, p *placement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(listed{kind: byAll, id: id})
	for kind, name := range p {
		l.addLocked(listed{listKind(kind), name, id})
	}
}

// move lists id under what differs in r.to; what differs in r.from is to go at index.
func (l *lists) move(id schema.ID, r *relisting, index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind := range r.to {
		if r.unplaced || r.from[kind] != r.to[kind] {
			if !r.unplaced {
				l.leaveLocked(listed{listKind(kind), r.from[kind], id}, index)
			}
			l.addLocked(listed{listKind(kind), r.to[kind], id})
		}
	}
	if r.unplaced {
		l.leaveLocked(listed{kind: unplaced, id: id}, index)
	}
}

// remove has id go from everywhere at index.
func (l *lists) remove(id schema.ID, r *relisting, index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaveLocked(listed{kind: byAll, id: id}, index)
	if r.unplaced {
		l.leaveLocked(listed{kind: unplaced, id: id}, index)
		return
	}
	for kind, name := range r.from {
		l.leaveLocked(listed{listKind(kind), name, id}, index)
	}
}

// sweep takes out what no reader at oldest or later can ask for.
func (l *lists) sweep(oldest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := 0
	for _, e := range l.mu.queue {
		if e.index > oldest {
			break
		}
		done++
		if l.mu.leaving[e.listed] == e.index { // and was not listed again since
			l.dropLocked(e.listed)
		}
	}
	l.mu.queue = slices.Delete(l.mu.queue, 0, done)
}

// addLocked puts an ID into a list, which is made if there is none. If it was to go from
// there, it stays.
func (l *lists) addLocked(e listed) {
	if len(l.mu.leaving) > 0 {
		delete(l.mu.leaving, e)
	}
	set := l.setLocked(e.kind, e.name)
	if set == nil {
		set = new(idset)
		l.mu.by[e.kind][strings.Clone(e.name)] = set
	}
	set.add(e.id)
}

// leaveLocked has an ID go from a list at index.
func (l *lists) leaveLocked(e listed, index uint64) {
	e.name = strings.Clone(e.name)
	l.mu.leaving[e] = index
	l.mu.queue = append(l.mu.queue, departure{e, index})
}

// dropLocked takes an ID out of a list, and the list away if it was the last.
func (l *lists) dropLocked(e listed) {
	delete(l.mu.leaving, e)
	set := l.setLocked(e.kind, e.name)
	if set == nil {
		return
	}
	if set.remove(e.id); set.empty() && e.kind < byKinds {
		delete(l.mu.by[e.kind], e.name)
	}
}

// pending reports whether a sweep up to oldest would find anything.
func (l *lists) pending(oldest uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.mu.queue) > 0 && l.mu.queue[0].index <= oldest
}

// page appends to buf, up to its capacity, the listed IDs from low to high.
func (l *lists) page(buf []schema.ID, q *query) []schema.ID {
	l.mu.RLock()
	defer l.mu.RUnlock()
	set := l.setLocked(q.kind, q.name)
	if set == nil {
		return buf
	}
	return set.page(buf, q.low, q.high)
}

// setLocked returns the set of that list, or nil if there is none.
func (l *lists) setLocked(kind listKind, name string) *idset {
	switch kind {
	case byAll:
		return &l.mu.all
	case unplaced:
		return &l.mu.unplaced
	}
	return l.mu.by[kind][name]
}

// become takes over all lists of others, which nobody else uses.
func (l *lists) become(o *lists) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.all, l.mu.unplaced, l.mu.by, l.mu.leaving, l.mu.queue = o.mu.all, o.mu.unplaced, o.mu.by, o.mu.leaving, o.mu.queue
}

// names returns which lists there are, those of all and of the unplaced included.
func (l *lists) names() []listed {
	l.mu.RLock()
	defer l.mu.RUnlock()
	names := []listed{{kind: byAll}, {kind: unplaced}}
	for kind, sets := range l.mu.by {
		for name := range sets {
			names = append(names, listed{kind: listKind(kind), name: name})
		}
	}
	return names
}

// has reports whether the ID is in that list.
func (l *lists) has(e listed) bool {
	var one [1]schema.ID
	return len(l.page(one[:0], &query{kind: e.kind, name: e.name, low: e.id, high: e.id})) == 1
}

// leaves reports whether the ID is on its way out of that list.
func (l *lists) leaves(e listed) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, leaves := l.mu.leaving[e]
	return leaves
}

// String returns what kind of list it is, and its name.
func (e listed) String() string {
	kinds := [...]string{byNode: "of node", byJob: "of job", byEval: "of evaluation", byAll: "of all", unplaced: "of those whose place is not known"}
	return fmt.Sprintf("%s %q", kinds[e.kind], e.name)
}
