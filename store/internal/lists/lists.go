package lists

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/schema"
)

// Lists are the secondary indexes of the allocations. They exist in memory only, and are built
// from the log when a file is opened. Init makes them.
type Lists struct {
	mu struct {
		sync.RWMutex // guards the rest; a leaf lock, held for one change, or for a copy of one page or of departures
		all          list
		unplaced     list
		named        [namedKinds]names

		past []*list // those with a history
	}

	// unused are lists that were given a number and may have got no members. They belong to the
	// goroutine that changes the lists.
	unused []*list

	// floor is the index up to which changes may have been forgotten.
	floor   atomic.Uint64
	trimmed atomic.Pointer[time.Time] // when it was raised; nil before
}

// names are the lists of one kind.
type names struct {
	byName   map[string]*list
	byNumber []*list // nil for a number that is free
	free     []uint32
}

// Init makes ls empty.
func (ls *Lists) Init() { ls.mu.all.name.Kind, ls.mu.unplaced.name.Kind = Everything, Unplaced }

// Floor returns the index up to which departures may have been forgotten, 0 before the first.
func (ls *Lists) Floor() uint64 { return ls.floor.Load() }

// Trimmed returns when departures were forgotten last. It is not before the time at which the floor
// that Floor has returned was raised.
func (ls *Lists) Trimmed() (at time.Time) {
	if trimmed := ls.trimmed.Load(); trimmed != nil {
		at = *trimmed
	}
	return at
}

// Place returns the place of an allocation that belongs to the lists of p. Lists that do not exist
// are created, and kept until DropUnused, which removes those that got no members.
func (ls *Lists) Place(p *Placement, t TerminalFlags) Place {
	at := Place{kind: placed, Terminal: t}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for kind, text := range p {
		at.numbers[kind] = ls.listLocked(Name{Kind(kind), text}).number
	}
	return at
}

// listLocked returns the list of that name, which it creates if needed.
func (ls *Lists) listLocked(n Name) *list {
	of := &ls.mu.named[n.Kind]
	if l := of.byName[n.Text]; l != nil {
		return l
	}
	l := &list{name: Name{n.Kind, strings.Clone(n.Text)}, unused: true}
	if last := len(of.free) - 1; last >= 0 {
		l.number, of.free = of.free[last], of.free[:last]
		of.byNumber[l.number] = l
	} else {
		l.number = uint32(len(of.byNumber))
		of.byNumber = append(of.byNumber, l)
	}
	if of.byName == nil {
		of.byName = make(map[string]*list)
	}
	of.byName[l.name.Text] = l
	ls.unused = append(ls.unused, l)
	return l
}

// DropUnused removes the lists that Place created and that have had no members since.
func (ls *Lists) DropUnused() {
	if len(ls.unused) == 0 {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i, l := range ls.unused {
		l.unused = false
		ls.dropEmptyLocked(l)
		ls.unused[i] = nil
	}
	ls.unused = ls.unused[:0]
}

// dropEmptyLocked removes a list of a name if it has neither members nor a history.
func (ls *Lists) dropEmptyLocked(l *list) {
	if !l.name.Named() || !l.empty() || l.unused {
		return
	}
	of := &ls.mu.named[l.name.Kind]
	delete(of.byName, l.name.Text)
	of.byNumber[l.number] = nil
	of.free = append(of.free, l.number)
}

// Apply applies a change to the lists. Its index is not below that of any change before.
func (ls *Lists) Apply(c *Change) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.eachLocked(c, func(l *list, was, is bool) {
		if l.apply(c, was, is) {
			ls.mu.past = append(ls.mu.past, l)
		}
	})
}

// eachLocked calls fn for every list that the allocation was or is in.
func (ls *Lists) eachLocked(c *Change, fn func(l *list, was, is bool)) {
	fn(&ls.mu.all, !c.Was.Nowhere(), !c.Is.Nowhere())
	if was, is := c.Was.Unplaced(), c.Is.Unplaced(); was || is {
		fn(&ls.mu.unplaced, was, is)
	}
	for kind := range namedKinds {
		from, to := ls.ofLocked(kind, &c.Was), ls.ofLocked(kind, &c.Is)
		if from == to {
			if from != nil {
				fn(from, true, true)
			}
			continue
		}
		if from != nil {
			fn(from, true, false)
		}
		if to != nil {
			fn(to, false, true)
		}
	}
}

// ofLocked returns the list of a kind at a place, or nil.
func (ls *Lists) ofLocked(kind int, p *Place) *list {
	if p.kind != placed {
		return nil
	}
	return ls.mu.named[kind].byNumber[p.numbers[kind]]
}

// Trim forgets the departures up to the floor, below which no reader reads.
func (ls *Lists) Trim(floor uint64) {
	if floor <= ls.floor.Load() {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	ls.trimmed.Store(&now) // before the floor
	ls.floor.Store(floor)
	ls.mu.past = slices.DeleteFunc(ls.mu.past, func(l *list) bool {
		l.trim(floor)
		if len(l.history) > 0 {
			return false
		}
		ls.dropEmptyLocked(l)
		return true
	})
}

// getLocked returns the list of that name, or nil.
func (ls *Lists) getLocked(n Name) *list {
	switch {
	case n.Named():
		return ls.mu.named[n.Kind].byName[n.Text]
	case n.Kind == Unplaced:
		return &ls.mu.unplaced
	}
	return &ls.mu.all
}

// Has reports whether the allocation is in the list.
func (ls *Lists) Has(n Name, id schema.ID) bool {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	l := ls.getLocked(n)
	return l != nil && (l.sets[0].has(id) || l.sets[1].has(id))
}

// Count returns the number of members of a query.
func (ls *Lists) Count(q *Query) int {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	l := ls.getLocked(q.Name)
	if l == nil {
		return 0
	}
	count := l.sets[0].count(q.IDs)
	if !q.NonTerminal() {
		count += l.sets[1].count(q.IDs)
	}
	return count
}

// Index returns the index of the newest change of a variant of the list that is known, 0 for
// none. All changes up to the floor may have been forgotten. If there are allocations
// whose placement is unknown, their changes are those of every list.
func (ls *Lists) Index(n Name, v Variant) uint64 {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	var index uint64
	if l := ls.getLocked(n); l != nil {
		index = l.index[v]
	}
	if n.Named() {
		index = max(index, ls.mu.unplaced.index[v])
	}
	return index
}

// Names returns all lists that have members.
func (ls *Lists) Names() []Name {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	var all []Name
	add := func(l *list) {
		if !l.sets[0].empty() || !l.sets[1].empty() {
			all = append(all, l.name)
		}
	}
	add(&ls.mu.all)
	add(&ls.mu.unplaced)
	for i := range ls.mu.named {
		for l := range maps.Values(ls.mu.named[i].byName) {
			add(l)
		}
	}
	return all
}

// Terminal reports whether the allocation is in the list as a terminal one.
func (ls *Lists) Terminal(n Name, id schema.ID) bool {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	l := ls.getLocked(n)
	return l != nil && l.sets[1].has(id)
}
