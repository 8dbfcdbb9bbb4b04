package store

import (
	"fmt"

	"allocstore/schema"
	"allocstore/watch"
)

// waitEnd is what came of a wait.
type waitEnd struct {
	WaitResult
	err error
}

// watchOne has w wait for changes of an ID above an index.
//
//go:noinline
func watchOne(w *watch.Waiter, above uint64, s string) error {
	id, err := schema.ParseID(s)
	if err == nil {
		w.Watch(above, watch.ID(id))
	}
	return err
}

// watchAll is watchOne of several IDs.
func watchAll(w *watch.Waiter, above uint64, ids []string) error {
	if len(ids) == 0 {
		return fmt.Errorf("%w: no ID to wait for", ErrInvalidID)
	}
	parsed := make([]watch.ID, len(ids))
	for i, s := range ids {
		id, err := schema.ParseID(s)
		if err != nil && len(ids) > 1 {
			err = fmt.Errorf("ID %d of %d: %w", i, len(ids), err)
		}
		if err != nil {
			return err
		}
		parsed[i] = watch.ID(id)
	}
	w.Watch(above, parsed...)
	return nil
}

// watched is the i-th ID that w waits for.
func watched(w *watch.Waiter, i int) *schema.ID { return (*schema.ID)(w.ID(i)) }
