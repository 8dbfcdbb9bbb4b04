package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"allocstore/schema"
)

// Lists are the secondary indexes: all IDs, and the IDs of each node, job and evaluation.
// They exist in memory only, and Open rebuilds them.
//
// They need no versions, because they may hold too much. An ID is added when its version
// is published. It is removed once no open snapshot is older than the write that took it
// out. So a reader at an older index finds every ID that belongs to its index, and some
// that do not; the version at its index decides.
type Lists struct {
	mu struct {
		sync.RWMutex                 // guards the rest; a leaf lock, held for one page or one write
		sets         map[List]*idset // none is empty

		// removals holds the index at which an ID is to leave a list, and queue the same in
		// the order of the indexes. An ID that is added again loses its removal, and its
		// entry in the queue is void.
		removals map[listEntry]uint64
		queue    []pendingRemoval
	}
}

// A pendingRemoval is an ID that leaves a list once no reader is older than the index.
type pendingRemoval struct {
	listEntry
	index uint64
}

// A ListKind is a kind of list.
type ListKind uint8

// Kinds of lists.
const (
	ByNode ListKind = iota
	ByJob
	ByEval

	namedKinds = iota // the kinds above, which have a list for each name

	Everything       ListKind = namedKinds     // the list of all IDs
	UnknownPlacement ListKind = namedKinds + 1 // IDs whose scheduler's part is damaged
)

// A List names one list. Name is empty for the kinds that have a single list.
type List struct {
	Kind ListKind
	Name string
}

// Named reports whether the list is that of a node, a job or an evaluation.
func (l List) Named() bool { return l.Kind < namedKinds }

// String describes the list.
func (l List) String() string {
	kinds := [...]string{ByNode: "of node", ByJob: "of job", ByEval: "of evaluation", Everything: "of all", UnknownPlacement: "of unknown placement"}
	return fmt.Sprintf("%s %q", kinds[l.Kind], l.Name)
}

// Holds reports whether a belongs to the list.
func (l List) Holds(a *schema.Allocation) bool {
	switch l.Kind {
	case ByNode:
		return a.NodeID == l.Name
	case ByJob:
		return a.JobID == l.Name
	case ByEval:
		return a.EvalID == l.Name
	}
	return true
}

// A listEntry is an ID in a list.
type listEntry struct {
	list List
	id   schema.ID
}

// A Placement has the names of the lists that an allocation is in.
type Placement [namedKinds]string

// PlacementOf returns the placement of a.
func PlacementOf(a *schema.Allocation) Placement {
	return Placement{ByNode: a.NodeID, ByJob: a.JobID, ByEval: a.EvalID}
}

// DecodePlacement returns the placement in an encoded scheduler's part, which it aliases.
func DecodePlacement(part string) (p Placement, err error) {
	p[ByEval], p[ByNode], p[ByJob], err = codec.Placement(part)
	return p, err
}

// A ListMove is the effect of a change on the lists: where the allocation was and where it
// is now.
type ListMove struct {
	From, To    Placement
	FromUnknown bool // From is unknown: the allocation was in the list of unknown placement
}

func (l *Lists) init() {
	l.mu.sets = make(map[List]*idset)
	l.mu.removals = make(map[listEntry]uint64)
}

// put makes a set the content of a list.
func (l *Lists) put(list List, set *idset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.sets[list] = set
}

// insert adds a new allocation to its lists, and cancels pending removals from them.
func (l *Lists) insert(id schema.ID, p *Placement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(listEntry{List{Kind: Everything}, id})
	for kind, name := range p {
		l.addLocked(listEntry{List{ListKind(kind), name}, id})
	}
}

// move adds the ID to the lists that are new in m, and schedules its removal from those
// that it left at index.
func (l *Lists) move(id schema.ID, m *ListMove, index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind := range m.To {
		if m.FromUnknown || m.From[kind] != m.To[kind] {
			if !m.FromUnknown {
				l.removeLaterLocked(listEntry{List{ListKind(kind), m.From[kind]}, id}, index)
			}
			l.addLocked(listEntry{List{ListKind(kind), m.To[kind]}, id})
		}
	}
	if m.FromUnknown {
		l.removeLaterLocked(listEntry{List{Kind: UnknownPlacement}, id}, index)
	}
}

// remove schedules the removal of an allocation, deleted at index, from all its lists.
func (l *Lists) remove(id schema.ID, m *ListMove, index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeLaterLocked(listEntry{List{Kind: Everything}, id}, index)
	if m.FromUnknown {
		l.removeLaterLocked(listEntry{List{Kind: UnknownPlacement}, id}, index)
		return
	}
	for kind, name := range m.From {
		l.removeLaterLocked(listEntry{List{ListKind(kind), name}, id}, index)
	}
}

// Sweep carries out the removals up to the index oldest, below which no reader reads.
func (l *Lists) Sweep(oldest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := 0
	for _, r := range l.mu.queue {
		if r.index > oldest {
			break
		}
		done++
		if l.mu.removals[r.listEntry] == r.index { // and it was not added again
			l.removeLocked(r.listEntry)
		}
	}
	l.mu.queue = slices.Delete(l.mu.queue, 0, done)
}

// Pending reports whether Sweep(oldest) has anything to do.
func (l *Lists) Pending(oldest uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.mu.queue) > 0 && l.mu.queue[0].index <= oldest
}

// addLocked adds an ID to a list, which is created if needed, and cancels its removal.
func (l *Lists) addLocked(e listEntry) {
	if len(l.mu.removals) > 0 {
		delete(l.mu.removals, e)
	}
	set := l.mu.sets[e.list]
	if set == nil {
		set = new(idset)
		e.list.Name = strings.Clone(e.list.Name)
		l.mu.sets[e.list] = set
	}
	set.add(e.id)
}

// removeLaterLocked schedules the removal of an ID from a list at index.
func (l *Lists) removeLaterLocked(e listEntry, index uint64) {
	e.list.Name = strings.Clone(e.list.Name)
	l.mu.removals[e] = index
	l.mu.queue = append(l.mu.queue, pendingRemoval{e, index})
}

// removeLocked removes an ID from a list, and deletes the list if it is then empty.
func (l *Lists) removeLocked(e listEntry) {
	delete(l.mu.removals, e)
	set := l.mu.sets[e.list]
	if set == nil {
		return
	}
	if set.remove(e.id); set.empty() {
		delete(l.mu.sets, e.list)
	}
}

// Page appends to buf, up to its capacity, the IDs of a list within a range, in order.
func (l *Lists) Page(buf []schema.ID, list List, r IDRange) []schema.ID {
	l.mu.RLock()
	defer l.mu.RUnlock()
	set := l.mu.sets[list]
	if set == nil {
		return buf
	}
	return set.page(buf, r)
}

// Has reports whether the ID is in the list.
func (l *Lists) Has(list List, id schema.ID) bool {
	var one [1]schema.ID
	return len(l.Page(one[:0], list, IDRange{id, id})) == 1
}

// names returns all lists that have IDs.
func (l *Lists) names() []List {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Collect(maps.Keys(l.mu.sets))
}

// leaving reports whether the ID has a pending removal from the list.
func (l *Lists) leaving(e listEntry) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, leaving := l.mu.removals[e]
	return leaving
}
