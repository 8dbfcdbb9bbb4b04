package store

import "context"

// AppliedIndex returns the highest index that a caller has given to ApplyAt or ApplyEntries,
// whether or not its batch changed anything, and at least LastIndex. Everything at or below it has
// been applied and can be read: ApplyEntries skips it, ApplyAt refuses it, and Apply takes the
// index after it. It does not block.
//
// Every commit writes it with its data. If later entries changed nothing, Close and PrepareBackup
// make it durable. After a crash it may be lower than before, and is never above the content of the
// file: apply the entries above it again.
func (s *Store) AppliedIndex() uint64 { return s.state.Load().Applied() }

// WaitApplied blocks until AppliedIndex is at least index. Then every read that begins shows the
// entries up to it.
//
// Errors: ctx's error as soon as ctx ends; ErrClosed; ErrFailed or ErrDetached if it would block in a
// store that has failed.
func (s *Store) WaitApplied(ctx context.Context, index uint64) error {
	for {
		if done, err := s.hasApplied(ctx, index); done || err != nil {
			return err
		}
		s.awaitApplied(ctx, index)
	}
}

// awaitApplied blocks until the index is applied, or ctx or the store ends.
func (s *Store) awaitApplied(ctx context.Context, index uint64) {
	pass := s.applied.Enter(index)
	defer s.applied.Leave(pass)
	if done, err := s.hasApplied(ctx, index); done || err != nil { // it is looked at after Enter
		return
	}
	select {
	case <-pass.Opened():
	case <-ctx.Done():
	case <-s.life.Done():
	}
}

// hasApplied reports whether the index is applied, or returns why a wait for it ends.
func (s *Store) hasApplied(ctx context.Context, index uint64) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if s.closed.Load() {
		return false, ErrClosed
	}
	if s.AppliedIndex() >= index {
		return true, nil
	}
	return false, s.failed()
}
