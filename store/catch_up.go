package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"allocstore/store/internal/backup"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// CatchUp replaces the content of a replica by a later one of the same history: a backup of another
// replica that has applied more of the log. It is PrepareCatchUp and Apply, with their errors.
//
// LastIndex, AppliedIndex and the floors become the backup's. No reader's index goes back, and no
// reader is told of a restore, unless an entry between the two states marks one. Reads go on: a
// wait, a list's wait and a feed return the changes in between, as if the entries had been applied;
// a wait without a change goes on. Snapshots show their index as before. Only a reader whose index
// is below the new floor, where compaction has forgotten what happened, is told so: a wait is
// Compacted, a feed and a snapshot get ErrCompacted. A Backup gets ErrCompacted in any case, since
// its file is gone.
func (s *Store) CatchUp(ctx context.Context, r io.Reader) error {
	in, err := s.PrepareCatchUp(ctx, r)
	if err != nil {
		return err
	}
	return errors.Join(in.Apply(ctx), in.Close())
}

// An Install is a later state of a replica, whole and durable in a file beside the store's. Close it
// when it is no longer needed. Its methods may be called from any goroutine.
type Install struct {
	s      *Store
	n      *logfile.Successor
	loaded *state.State
	mu     sync.Mutex // held by Apply and Close
	closed bool       // it was applied, or is closed; guarded by mu
}

// PrepareCatchUp builds the file of a backup while it arrives, makes it durable, verifies it as
// Open does, and decodes its allocations. The store stays as it is, and can be used, until Apply.
// Until Apply or Close there are two files, and the memory of two tables. A crash leaves the old
// content; Open removes the file.
//
// Errors: ErrInvalid if the store is no replica, or the backup has another history;
// ErrIndexRegression, as an *IndexRegressionError, if the backup's Applied is below AppliedIndex;
// ErrCorrupt if the stream is damaged, cut short, no backup, or has damaged content;
// ErrFormatVersion; r's error; ctx's error; ErrClosed; ErrFailed; ErrReadOnly; or that of writing
// the file, on a full disk ErrNoSpace. None of them changes anything.
func (s *Store) PrepareCatchUp(ctx context.Context, r io.Reader) (*Install, error) {
	switch {
	case r == nil:
		return nil, fmt.Errorf("%w: CatchUp from a nil reader", ErrInvalid)
	case !s.opts.Replicated:
		return nil, fmt.Errorf("catch up: %w: the store is no replica, see Options.Replicated: Restore takes any backup", ErrInvalid)
	}
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	in, err := s.prepareCatchUp(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("catch up: %w", logfile.NoSpace(causeOf(ctx, err)))
	}
	return in, nil
}

func (s *Store) prepareCatchUp(ctx context.Context, r io.Reader) (in *Install, err error) {
	n, err := s.newSuccessor(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	decoded, err := s.build(ctx, n, r)
	if err != nil {
		return nil, err
	}
	if err := backup.MayFollow(&n.Manifest, s.state.Load()); err != nil {
		return nil, err
	}
	if err := n.Seal(); err != nil {
		return nil, err
	}
	loaded, err := backup.Load(ctx, n, decoded, s.opts.state())
	if err != nil {
		return nil, err
	}
	if faults := loaded.Damaged.Faults(); len(faults) > 0 {
		return nil, faults[0]
	}
	return &Install{s: s, n: n, loaded: loaded}, nil
}

// Index returns the LastIndex that the store will have.
func (in *Install) Index() uint64 { return in.n.Last }

// AppliedIndex returns the AppliedIndex that the store will have.
func (in *Install) AppliedIndex() uint64 { return in.n.Manifest.Applied() }

// Apply exchanges the content: the file takes the store's name, in one step on the disk, and its
// state replaces the store's. Writes pause for the rename and the sync of the directory. Apply
// waits first for a running Compact, Check or Restore; a pass of compaction in the background ends.
// Then it waits for running reads of the old file.
//
// Errors: ErrIndexRegression or ErrInvalid as of PrepareCatchUp, if the store has gone on
// meanwhile; ctx's error; ErrClosed, also after Apply or Close; ErrFailed; or that of the file
// system. After an error the store is as it was, with one exception: if it is unknown whether the
// new name is durable, the store fails.
func (in *Install) Apply(ctx context.Context) error {
	ctx, stop := in.s.untilClosed(ctx)
	defer stop()
	if err := in.apply(ctx); err != nil {
		return fmt.Errorf("catch up: %w", logfile.NoSpace(causeOf(ctx, err)))
	}
	return nil
}

func (in *Install) apply(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return ErrClosed
	}
	s := in.s
	defer s.sweeper.Pause()() // which ends a pass
	if err := s.maintenance.lock(ctx); err != nil {
		return err
	}
	defer s.maintenance.unlock()
	if err := s.replaceable(); err != nil {
		return err
	}
	err := s.committer.barrier(func() error {
		if err := backup.MayFollow(&in.n.Manifest, s.state.Load()); err != nil {
			return err
		}
		last := s.LastIndex()
		return s.exchange(in.n, in.loaded, watch.Signal{Kind: watch.Changed, Index: last + 1})
	})
	if err != nil {
		return err
	}
	return in.release()
}

// Close removes the file, unless it was applied. Calling it again does nothing.
func (in *Install) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	return in.release()
}

// release closes the file that is not in use. The caller holds mu.
func (in *Install) release() error {
	in.closed, in.loaded = true, nil
	return in.n.Close()
}
