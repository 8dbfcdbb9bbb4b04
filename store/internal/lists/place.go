package lists

import "allocstore/schema"

// A Placement has the names of the lists that an allocation is in.
type Placement [namedKinds]string

// PlacementOf returns the placement of a.
func PlacementOf(a *schema.Allocation) Placement {
	return Placement{ByNode: a.NodeID, ByJob: a.JobID, ByEval: a.EvalID}
}

// A Place says which lists an allocation is in: those of its numbers. The zero value is in no list.
type Place struct {
	numbers [namedKinds]uint32
	kind    placeKind

	// Ended says which sides say that the allocation is terminal.
	Ended Ended
}

type placeKind uint8

const (
	nowhere placeKind = iota
	placed
	unplaced // somewhere, but it is unknown where
)

// Ended says that an allocation is terminal. Its values are flags.
type Ended uint8

const (
	ByServer Ended = 1 << iota // see schema.Allocation.ServerTerminal
	ByClient                   // see schema.Allocation.ClientTerminal
)

// Set sets one flag as it is in to.
func (e *Ended) Set(flag, to Ended) { *e = *e&^flag | to&flag }

// EndedOf returns which of two statuses are terminal.
func EndedOf(desired, client string) (e Ended) {
	a := schema.Allocation{DesiredStatus: desired, ClientStatus: client}
	if a.ServerTerminal() {
		e |= ByServer
	}
	if a.ClientTerminal() {
		e |= ByClient
	}
	return e
}

// Nowhere reports whether the allocation is in no list.
func (p *Place) Nowhere() bool { return p.kind == nowhere }

// Unplaced reports whether it is unknown in which lists of a node, a job or an evaluation the
// allocation is.
func (p *Place) Unplaced() bool { return p.kind == unplaced }

// UnknownPlace returns the place of an allocation whose placement is unknown.
func UnknownPlace() Place { return Place{kind: unplaced} }

// terminal returns 1 for a terminal allocation, else 0.
func (p *Place) terminal() int {
	if p.Ended != 0 {
		return 1
	}
	return 0
}
