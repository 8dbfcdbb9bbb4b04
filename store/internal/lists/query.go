package lists

import (
	"strings"

	"allocstore/schema"
)

// A Query names a variant of a list, and a range of its IDs.
type Query struct {
	Name    Name
	Variant Variant
	IDs     Range
	Prefix  string // of the IDs, canonical; "" for all. Only Watch looks at it.
}

// NonTerminal reports whether the query leaves out terminal members.
func (q *Query) NonTerminal() bool { return q.Variant.has(NonTerminal) }

// Placements reports whether only placements count as changes.
func (q *Query) Placements() bool { return q.Variant.has(Placements) }

// Holds reports whether a, which may be nil, belongs to the list. Its ID is in the range.
func (q *Query) Holds(a *schema.Allocation) bool {
	return a != nil && q.Name.Holds(a) && !(q.NonTerminal() && a.Terminal())
}

// Watch returns the class and the ID that waiters of the list wait for.
func (q *Query) Watch() (Class, WatchID) {
	if q.Name.Named() {
		return ClassOf(q.Name.Kind, q.Variant), q.Name.Watch(q.Variant)
	}
	digits := len(q.Prefix) - strings.Count(q.Prefix, "-")
	return PrefixClass(digits, q.Variant), Prefix(q.IDs.Low, digits, q.Variant)
}
