package lists

import "allocstore/schema"

// A Placement has the names of the lists that an allocation is in.
type Placement [namedKinds]string

// PlacementOf returns the placement in a scheduler's part.
func PlacementOf(p schema.Placement) Placement {
	return Placement{ByNode: p.NodeID, ByJob: p.JobID, ByEval: p.EvalID}
}

// In reports whether an allocation of that placement is in the list.
func (p *Placement) In(n Name) bool { return !n.Named() || p[n.Kind] == n.Text }

// A Place says which lists an allocation is in. It has the numbers of three lists, of a node, a job
// and an evaluation, where a Placement has their names. The zero value is in no list.
type Place struct {
	numbers [namedKinds]uint32
	kind    placeKind

	// Terminal says by which statuses the allocation is terminal.
	Terminal TerminalFlags
}

type placeKind uint8

const (
	nowhere placeKind = iota
	placed
	unplaced // somewhere, but it is unknown where
)

// TerminalFlags say by which statuses an allocation is terminal. It is terminal if any is set.
type TerminalFlags uint8

const (
	ServerTerminal TerminalFlags = 1 << iota // see schema.Allocation.ServerTerminal
	ClientTerminal                           // see schema.Allocation.ClientTerminal
)

// Set sets one flag as it is in to.
func (t *TerminalFlags) Set(flag, to TerminalFlags) { *t = *t&^flag | to&flag }

// TerminalOf returns the flags of an allocation with these statuses.
func TerminalOf(desired, client string) (t TerminalFlags) {
	a := schema.Allocation{DesiredStatus: desired, ClientStatus: client}
	if a.ServerTerminal() {
		t |= ServerTerminal
	}
	if a.ClientTerminal() {
		t |= ClientTerminal
	}
	return t
}

// Nowhere reports whether the allocation is in no list.
func (p *Place) Nowhere() bool { return p.kind == nowhere }

// Unplaced reports whether it is unknown in which lists of a node, a job or an evaluation the
// allocation is.
func (p *Place) Unplaced() bool { return p.kind == unplaced }

// UnknownPlace returns the place of an allocation whose placement is unknown.
func UnknownPlace() Place { return Place{kind: unplaced} }

// set returns the index in list.sets of the allocation: 1 if it is terminal, else 0.
func (p *Place) set() int {
	if p.Terminal != 0 {
		return 1
	}
	return 0
}

// A Matcher tells whether a place is in one list, without the lock. It knows the allocations that
// were in their lists when it was made: one that was not there yet may be in a list that has been
// created since. The floor must stay below the allocation's departure: until then its list keeps the
// number.
type Matcher struct {
	name   Name
	number uint32
	absent bool // the list did not exist
}

// Matcher returns a Matcher of the list, which need not exist.
func (ls *Lists) Matcher(n Name) Matcher {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	l := ls.getLocked(n)
	if l == nil {
		return Matcher{name: n, absent: true}
	}
	return Matcher{name: n, number: l.number}
}

// Holds reports whether an allocation at p is in the list.
func (m *Matcher) Holds(p *Place) bool {
	if m.name.Named() {
		return p.kind == placed && !m.absent && p.numbers[m.name.Kind] == m.number
	}
	return p.kind != nowhere
}
