package store

import (
	"context"
	"fmt"

	"allocstore/store/internal/compaction"
	"allocstore/store/internal/logfile"
)

// Compact removes every superseded record that no reader needs and Options.FeedRetention does
// not keep, and rewrites the file to the size of its content. Beside a backup it removes no
// record, and only rewrites. Jobs that no record names any more go as well. Reads, waits and
// writes go on meanwhile, apart from a short pause of the writes at the end. Compact blocks
// until all is done; concurrent calls take turns.
//
// The new file is written beside the old one, which needs the same room again. It gets the
// old one's name, mode and owner when it is durable, so a crash leaves one of them whole.
// Open removes an unfinished new file. If the name is a symbolic link, the file behind it is
// replaced; another hard link keeps the old file.
//
// Errors: ctx's error, ErrClosed, ErrReadOnly, ErrFailed, or the error of writing the new
// file. On a full disk that is ErrNoSpace; the superseded records are removed all the same, which
// makes room for writes. After an error the store goes on as it was, with one
// exception: if it is unknown whether the new name is durable, the store fails.
func (s *Store) Compact(ctx context.Context) error {
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	if err := s.compact(ctx); err != nil {
		return fmt.Errorf("compact: %w", logfile.NoSpace(causeOf(ctx, err)))
	}
	return nil
}

// compact makes a pass of the sweeper and rewrites the file.
func (s *Store) compact(ctx context.Context) error {
	if err := s.maintenance.lock(ctx); err != nil {
		return err
	}
	defer s.maintenance.unlock()
	if err := s.replaceable(); err != nil {
		return err
	}
	if err := s.sweeper.Sweep(ctx); err != nil {
		return err
	}
	return compaction.Rewrite(ctx, s.state.Load(), s.committer.barrier)
}
