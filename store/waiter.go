package store

import (
	"fmt"

	"allocstore/schema"
	"allocstore/watch"
)

// A waiter is what a blocked reader needs, kept for the next one: what it waits
// for, and its place in the registry, with the one channel that it blocks on.
type waiter struct {
	*watch.Waiter

	above             uint64
	restored, expired bool // what the signal said
	ids               []watch.ID
	one               [1]watch.ID // the memory of ids, if that is one

	end *waitEnd // nil before the end
}

// waitEnd is what came of a wait.
type waitEnd struct {
	WaitResult
	err error
}

func newWaiter() *waiter { return &waiter{Waiter: watch.NewWaiter()} }

// set has w wait for changes of ids above an index.
func (w *waiter) set(above uint64, ids []string) error {
	if len(ids) == 0 {
		return fmt.Errorf("%w: no ID to wait for", ErrInvalidID)
	}
	w.above, w.restored, w.expired, w.ids = above, false, false, w.one[:0]
	for i, id := range ids {
		parsed, err := schema.ParseID(id)
		if err != nil && len(ids) > 1 {
			err = fmt.Errorf("ID %d of %d: %w", i, len(ids), err)
		}
		if err != nil {
			return err
		}
		w.ids = append(w.ids, parsed)
	}
	return nil
}

func (w *waiter) id(i int) *schema.ID { return (*schema.ID)(&w.ids[i]) }
