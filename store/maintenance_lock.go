package store

import "context"

// A maintenanceLock is held by one goroutine at a time. Acquiring it can be canceled.
type maintenanceLock chan struct{}

// lock blocks until the lock is free. It returns ctx's error if ctx ends first.
func (l maintenanceLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l maintenanceLock) unlock() { <-l }
