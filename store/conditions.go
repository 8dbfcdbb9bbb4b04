package store

import (
	"fmt"

	"allocstore/schema"
	"allocstore/store/internal/plan"
)

// conditions are those of a batch, in the order in which they were added, and their faults.
type conditions struct {
	all  []plan.Condition
	errs []error
}

// Expect makes the batch conditional: at its turn the allocation must have this ModifyIndex. With
// modifyIndex 0 it must not exist. Otherwise Apply changes nothing and returns a *ConflictError. The
// writes of all earlier batches count, the batch's own do not. If the ID is not one, Apply returns
// ErrInvalidID.
func (b *Batch) Expect(id string, modifyIndex uint64) {
	parsed, err := schema.ParseID(id)
	if !b.refusedCondition("Expect", err) {
		b.expect(plan.Condition{ID: parsed, Index: modifyIndex})
	}
}

// ExpectList makes the batch conditional, as Expect does: at its turn the list must not have changed
// above index, which is that of a Snapshot or of a ListResult. Arrivals, changes and departures
// count, as in WaitList. An index below the floor of compaction or below the last restore is a
// conflict, since the changes above it may be forgotten. An index above the last one always holds.
//
// A scheduler takes a Snapshot, looks at a node's list, decides, and places with
//
//	b.ExpectList(store.Node(n).NonTerminal().Placements(), snapshot.Index())
//
// It starts over if another scheduler has placed there meanwhile, or an allocation that had ended
// there runs again.
//
// A condition on a list costs the committer a few lookups, however long the list is. One on a Prefix
// makes it look at every allocation with the prefix if any allocation has changed above index.
//
// Apply returns ErrInvalid for the zero Selector, and ErrInvalidID for a prefix that no ID can start
// with.
func (b *Batch) ExpectList(sel Selector, index uint64) {
	q, err := sel.query()
	if !b.refusedCondition("ExpectList", err) {
		b.expect(plan.Condition{OfList: true, List: q, Index: index})
	}
}

// conditionBytes is what a condition counts in the size of its batch, beside its name or ID: about
// what it takes in memory.
const conditionBytes = 128

// expect adds c.
func (b *Batch) expect(c plan.Condition) {
	b.conditions.all = append(b.conditions.all, c)
	b.size += conditionBytes + c.NameLen()
}

// refusedCondition is refused for a condition, which has a position among the conditions.
func (b *Batch) refusedCondition(what string, err error) bool {
	if err != nil {
		at := len(b.conditions.all) + len(b.conditions.errs)
		b.conditions.errs = append(b.conditions.errs, fmt.Errorf("batch condition %d, %s: %w", at, what, err))
	}
	return err != nil
}

// refusal returns the error of Apply for err, the reason of the plan to refuse the batch. It is nil for
// nil, and a *ConflictError for a condition that did not hold.
func (b *Batch) refusal(err error) error {
	found, ok := err.(*plan.Conflict)
	if !ok {
		return err
	}
	c := &b.conditions.all[found.Condition]
	conflict := &ConflictError{Expected: c.Index, Actual: found.Actual}
	if c.OfList {
		conflict.List = selectorOf(&c.List)
	} else {
		conflict.ID = c.ID.String()
	}
	return fmt.Errorf("batch condition %d: %w", found.Condition, conflict)
}
