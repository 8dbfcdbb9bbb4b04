package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"allocstore/index"
	"allocstore/store/internal/backup"
	"allocstore/store/internal/ctxio"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// Restore replaces the store's content by that of a backup of this or another store. It
// blocks until that is done. Reads and writes go on until the moment of the exchange. Later
// writes apply to the restored content.
//
// LastIndex becomes the backup's, or one past the store's AppliedIndex if that is not below the
// backup's: it never goes back. That index marks the restore. Every wait returns once with
// Restored. Snapshots and feeds from before get ErrRestored, and readers that ask for
// changes before the mark get ErrCompacted: no changes lead from the old content to the new.
//
// The new content is written to a file beside the store's, verified as Open does, and
// decoded. The file takes the store's name when it is durable, so a crash leaves the old
// content or the new. Meanwhile there are two files, and the memory of two tables.
//
// Errors: ErrCorrupt if the stream is damaged, cut short or no backup, also ErrTooLarge if a record
// in it may be larger than this store takes; ErrFormatVersion for another version; r's error; ctx's
// error; ErrClosed; ErrFailed; ErrReadOnly; or the error of writing the file; or ErrReplicated.
// After an error the store goes on as it was, with one exception: if it is unknown whether the new
// name is durable, the store fails.
func (s *Store) Restore(ctx context.Context, r io.Reader) error {
	if r == nil {
		return fmt.Errorf("%w: Restore from a nil reader", ErrInvalid)
	}
	if s.opts.Replicated {
		return fmt.Errorf("restore: %w", ErrReplicated)
	}
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	if err := s.restore(ctx, r); err != nil {
		return fmt.Errorf("restore: %w", logfile.NoSpace(causeOf(ctx, err)))
	}
	s.reportDamage(s.state.Load())
	return nil
}

// restore reads the backup into a new file, for as long as r takes. Then it holds the
// maintenance lock, so that nothing is forgotten and no file is replaced meanwhile.
func (s *Store) restore(ctx context.Context, r io.Reader) (err error) {
	n, err := s.newSuccessor(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	decoded, err := s.build(ctx, n, r)
	if err != nil {
		return err
	}
	if err := n.Sync(); err != nil {
		return err
	}
	if err := s.maintenance.lock(ctx); err != nil {
		return err
	}
	defer s.maintenance.unlock()
	loaded, err := backup.Load(ctx, n, decoded, s.opts.state())
	if err != nil {
		return err
	}
	return s.committer.barrier(func() error {
		if err := s.markRestored(n); err != nil {
			return err
		}
		return s.exchange(n, loaded, watch.Signal{Kind: watch.Restored, Index: n.Last})
	})
}

// newSuccessor makes the new file, while the store's is not being replaced.
func (s *Store) newSuccessor(ctx context.Context) (*logfile.Successor, error) {
	if err := s.maintenance.lock(ctx); err != nil {
		return nil, err
	}
	defer s.maintenance.unlock()
	if err := s.replaceable(); err != nil {
		return nil, err
	}
	return s.state.Load().File.NewSuccessor()
}

// build writes the backup to the new file, see backup.Build. It returns when ctx ends, also if r blocks.
func (s *Store) build(ctx context.Context, n *logfile.Successor, r io.Reader) (decoded bool, err error) {
	from := ctxio.NewReader(ctx, r)
	defer from.Close()
	return backup.Build(ctx, n, from, s.opts.maxFrame())
}

// maxFrame returns the largest size of a backup's frame: a record with two parts, each with a
// status above the limit. It is at least 64 MiB, for backups of stores with other options. In a
// replica the limits are those of its entries.
func (o *Options) maxFrame() int64 {
	bytes := o.MaxAllocationBytes
	if o.Replicated {
		bytes = maxMaxAllocationBytes
	}
	return max(64<<20, 2*(int64(bytes)+2*plan.FreeStatus)+record.MaxOverhead)
}

// markRestored marks the restore in the new file, at an index that the store has not had, and makes
// the file durable.
func (s *Store) markRestored(n *logfile.Successor) error {
	if applied := s.AppliedIndex(); n.Last <= applied {
		next, err := index.Next(applied)
		if err != nil {
			return err
		}
		n.Last = next
	}
	n.Floor, n.Restored = n.Last, n.Last
	return n.Seal()
}

// exchange puts the new file, which is durable, in the place of the store's file, and the state loaded
// from it in the place of the store's state. All waiters receive the signal. Only the committer calls
// it, between two groups, for the holder of the maintenance lock. A reader has the old state or the
// new one; see core.
func (s *Store) exchange(n *logfile.Successor, loaded *state.State, signal watch.Signal) error {
	old := s.state.Load().File
	if err := n.TakePlace(old); err != nil {
		return err
	}
	n.InheritFrom(old)
	loaded.TakeOver(n.Manifest)
	s.sweeper.Reset()
	s.state.Store(loaded)
	s.applied.Raise(loaded.Applied())
	s.watch.Broadcast(signal)
	s.tail.Wake()
	return nil
}
