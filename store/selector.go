package store

import (
	"fmt"
	"strings"

	"allocstore/schema"
	"allocstore/store/internal/lists"
)

// A Selector names a list of allocations. It also says whether terminal allocations are left out,
// and which changes count as changes of the list. Selectors are compared by ==, and those of the same
// list are equal. The zero value names no list, and using it is ErrInvalid.
type Selector struct {
	kind    selectorKind
	variant lists.Variant
	text    string // a name, or a prefix of an ID in its canonical form
}

// A selectorKind is that of the list, and one more, so that the zero Selector names no list.
type selectorKind uint8

const (
	nodeSelector   = selectorKind(lists.ByNode) + 1
	jobSelector    = selectorKind(lists.ByJob) + 1
	evalSelector   = selectorKind(lists.ByEval) + 1
	prefixSelector = selectorKind(lists.Everything) + 1
)

func (k selectorKind) list() lists.Kind { return lists.Kind(k - 1) }

// Node selects the allocations that are placed on a node. The node's ID is compared as a whole:
// "node1" does not find the allocations of "node10".
func Node(id string) Selector { return Selector{kind: nodeSelector, text: id} }

// Job selects the allocations of a job.
func Job(id string) Selector { return Selector{kind: jobSelector, text: id} }

// Eval selects the allocations that an evaluation placed.
func Eval(id string) Selector { return Selector{kind: evalSelector, text: id} }

// Prefix selects the allocations whose ID starts with prefix. It may have any length and either
// case, with dashes where an ID has them. If no ID can start with it, using the selector is
// ErrInvalidID.
func Prefix(prefix string) Selector {
	if _, _, err := schema.IDRange(prefix); err == nil {
		prefix = strings.TrimRight(strings.ToLower(prefix), "-")
	}
	return Selector{kind: prefixSelector, text: prefix}
}

// Everything selects all allocations. It is equal to the Prefix "".
func Everything() Selector { return Prefix("") }

// NonTerminal returns the selector of the same list without the allocations that are Terminal. An
// allocation that becomes terminal departs from it.
func (sel Selector) NonTerminal() Selector {
	sel.variant |= lists.NonTerminal
	return sel
}

// Placements returns the selector of the same list in which only arrivals, departures, the
// scheduler's writes, and a NextAllocation that is set count as changes. A client's report does not count, unless under NonTerminal the
// allocation ends or runs again by it.
func (sel Selector) Placements() Selector {
	sel.variant |= lists.Placements
	return sel
}

// String describes the list, for messages.
func (sel Selector) String() string {
	var text string
	switch sel.kind {
	case nodeSelector:
		text = fmt.Sprintf("node %q", sel.text)
	case jobSelector:
		text = fmt.Sprintf("job %q", sel.text)
	case evalSelector:
		text = fmt.Sprintf("evaluation %q", sel.text)
	case prefixSelector:
		if text = "everything"; sel.text != "" {
			text = fmt.Sprintf("prefix %q", sel.text)
		}
	default:
		return "no list"
	}
	if sel.variant&lists.NonTerminal != 0 {
		text += ", non-terminal"
	}
	if sel.variant&lists.Placements != 0 {
		text += ", placements"
	}
	return text
}

// query returns the query of the selector, ErrInvalid for the zero selector, or ErrInvalidID for a
// prefix that no ID can start with.
func (sel Selector) query() (q lists.Query, err error) {
	err = sel.fill(&q)
	return q, err
}

// fill makes q, which is zero, the query of the selector. Its frame is small, since a wait for a list
// begins with it.
func (sel *Selector) fill(q *lists.Query) error {
	q.Variant = sel.variant
	q.Name.Kind = sel.kind.list()
	switch sel.kind {
	case 0:
		return zeroSelector()
	case prefixSelector:
		return sel.fillPrefix(q)
	}
	q.Name.Text = sel.text
	q.IDs = lists.All()
	return nil
}

// fillPrefix is the rest of fill for a prefix.
//
//go:noinline
func (sel *Selector) fillPrefix(q *lists.Query) (err error) {
	q.Prefix = sel.text
	q.IDs.Low, q.IDs.High, err = schema.IDRange(sel.text)
	return err
}

//go:noinline
func zeroSelector() error { return fmt.Errorf("%w: the zero Selector names no list", ErrInvalid) }

// list returns the name of the list. A prefix selects some of all.
func (sel *Selector) list() (n lists.Name) {
	if n.Kind = sel.kind.list(); n.Named() {
		n.Text = sel.text
	}
	return n
}

// selectorOf returns the selector that has the query q.
func selectorOf(q *lists.Query) Selector {
	return Selector{kind: selectorKind(q.Name.Kind) + 1, variant: q.Variant, text: q.Name.Text + q.Prefix} // one of them is empty
}
