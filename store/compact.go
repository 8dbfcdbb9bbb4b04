package store

import (
	"context"
	"errors"
	"fmt"
)

// Compact removes every superseded record that no reader needs and
// Options.FeedRetention does not keep, and then rewrites the file, so that it
// becomes as small as its content. Jobs that no record names any more go as well.
// Reads, waits and writes go on meanwhile, a short pause of the writes at the end
// aside. It blocks until all is done; one call at a time does the work.
//
// The new file is written beside the old one, which takes as much room again, and
// takes its name, its mode and its owner once all of it is durable: a crash leaves
// the one or the other. A file that a crash leaves unfinished is removed by the next
// Open. Where the name is a symbolic link the file behind it is replaced; another
// hard link keeps the old file.
//
// Errors: ctx's error, ErrClosed, ErrFailed, or what writing the new file
// returned, a full disk for example. After an error the store is as it was and
// goes on, but for one: if it is not known whether the new name is durable the
// store fails.
func (s *Store) Compact(ctx context.Context) error {
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	if err := s.sweeper.compact(ctx); err != nil {
		return fmt.Errorf("allocstore: compact: %w", causeOf(ctx, err))
	}
	return nil
}

// compact makes a pass and rewrites the file.
func (sw *sweeper) compact(ctx context.Context) (err error) {
	if err := sw.takeTurn(ctx); err != nil {
		return err
	}
	defer sw.endTurn()
	if err := sw.usable(); err != nil {
		return err
	}
	if err := sw.sweep(ctx); err != nil {
		return err
	}
	n, err := newSuccessor(sw.s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	rw := &rewrite{successor: n, jobs: make(map[jobHash]bool)}
	return rw.run(ctx)
}

// usable returns why nothing can be compacted, if that is so.
func (sw *sweeper) usable() error {
	if err := sw.s.failed(); err != nil {
		return err
	}
	if sw.s.closed.Load() {
		return ErrClosed
	}
	if sw.s.opts.ReadOnly {
		return ErrReadOnly
	}
	return nil
}
