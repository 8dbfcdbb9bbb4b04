package lists

import "allocstore/schema"

// A Placement has the names of the lists that an allocation is in.
type Placement [namedKinds]string

// PlacementOf returns the placement in a scheduler's part.
func PlacementOf(p schema.Placement) Placement {
	return Placement{ByNode: p.NodeID, ByJob: p.JobID, ByEval: p.EvalID}
}

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
