package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"allocstore/store/internal/backup"
	"allocstore/store/internal/compaction"
)

// BackupInfo describes a backup.
type BackupInfo struct {
	Index   uint64 // of the backup
	Applied uint64 // AppliedIndex, which is at least Index
	Records int    // one or two for each allocation, and those that compaction has not removed
	Jobs    int
	Damaged int // records and jobs with damaged content, copied as they are
	Bytes   int64
}

// A Backup is the store as it was when PrepareBackup returned it, to be written at any time. Until
// it is closed, compaction removes no record from the file or from memory. Its methods may be
// called from any goroutine, also several Writes at a time.
type Backup struct {
	s       *Store
	sn      *Snapshot
	content backup.Content
	resume  func() // has the sweeper go on
	closed  sync.Once
}

// Backup writes the store as it is at its last index to w: all allocations, the feed as far as it
// is kept, and the remembered deletions. It is PrepareBackup, Write and Close, with their errors.
func (s *Store) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	if w == nil {
		return BackupInfo{}, fmt.Errorf("%w: Backup to a nil writer", ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	b, err := s.PrepareBackup()
	if err != nil {
		return BackupInfo{}, err
	}
	defer b.Close()
	return b.Write(ctx, w)
}

// PrepareBackup returns the store as it is at its last index, and makes its AppliedIndex durable.
// It blocks for the group of writes under way and for a sync, and not for compaction or any other
// maintenance. Compaction removes nothing until the Backup is closed; a pass that is under way
// ends.
//
// If the store has failed or its disk is full, its own AppliedIndex may not be durable. A replica
// then returns ErrFailed or ErrNoSpace, since its log may be cut after a backup; any other store is
// written as it was published last. The only other error is ErrClosed.
func (s *Store) PrepareBackup() (*Backup, error) {
	b := &Backup{s: s}
	err := s.committer.barrier(func() error {
		if err := s.saveApplied(); err != nil && (s.opts.Replicated || !errors.Is(err, ErrNoSpace)) {
			return err
		}
		st := s.state.Load()
		records := st.Manifest.Sum - st.Jobs.SumWithout(nil)
		b.content.Records = &records
		return b.pin()
	})
	if err != nil && !s.opts.Replicated && s.failed() != nil {
		<-s.committer.stopped
		b.content.Records = nil // unknown
		err = b.pin()
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return b, nil
}

// pin notes the state and its numbers, and pauses compaction. No group is under way.
//
// So a backup may begin in the middle of a pass. The records that the pass has removed are in no
// committed transaction any more, and those that it has found stay. The pass removes in the order
// of the keys: an allocation's insert went before or with its tombstone, as after a crash in the
// middle of a pass. The floor is that of memory, which is not below that of any removal, and not
// above the snapshot.
func (b *Backup) pin() (err error) {
	if b.sn, err = b.s.Snapshot(); err != nil {
		return err
	}
	st, m := b.sn.st.Load(), &b.content.Manifest
	b.content.State = st
	m.Last, m.Floor, m.Restored = b.sn.index, st.Floor.Load(), st.Restored.Load()
	m.SetApplied(st.Applied(), st.Kept.Load())
	b.resume = b.s.sweeper.Pause()
	return nil
}

// Index returns the index of the backup: the store's last index when it was prepared.
func (b *Backup) Index() uint64 { return b.content.Manifest.Last }

// AppliedIndex returns the store's AppliedIndex when the backup was prepared. It is durable.
func (b *Backup) AppliedIndex() uint64 { return b.content.Manifest.Applied() }

// Write writes the backup to w. It may be called again, and writes the same content each time.
// Damaged content is copied as it is. Write blocks until everything is written, for as long as w
// takes. Reads, waits and writes go on; it holds neither a lock nor a transaction while it writes
// to w. It needs a few megabytes of memory, however large the store is.
//
// Errors: ctx's error, which is checked between writes; ErrClosed, also if the Backup is closed;
// ErrCorrupt; w's error; ErrRestored if the store was restored meanwhile; ErrCompacted if it has
// caught up. After an error, Restore refuses the bytes that were written.
func (b *Backup) Write(ctx context.Context, w io.Writer) (BackupInfo, error) {
	if w == nil {
		return BackupInfo{}, fmt.Errorf("%w: Backup to a nil writer", ErrInvalid)
	}
	counts, err := b.content.Write(ctx, w, b.valid)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	return BackupInfo{b.Index(), b.AppliedIndex(), counts.Records, counts.Jobs, counts.Damaged, counts.Bytes}, nil
}

// valid returns why the file cannot be copied any more, or nil.
func (b *Backup) valid() error {
	st, err := b.sn.state()
	if err == nil && st != b.content.State {
		err = fmt.Errorf("%w: a later state of another replica has replaced the file", ErrCompacted)
	}
	return err
}

// Close releases the backup: compaction goes on. Write returns ErrClosed from then on. Close does
// not block. Calling it again does nothing. It always returns nil, which makes a Backup an
// io.Closer.
func (b *Backup) Close() error {
	b.closed.Do(func() {
		_ = b.sn.Close()
		b.resume()
		compaction.Wake(b.s.state.Load(), b.s.sweepDue)
	})
	return nil
}

// ReadBackupInfo returns the Index and the Applied of the backup that r begins with. All other
// fields are 0, since it reads only the first bytes: about a hundred, or up to 64 KiB of a job in a
// backup that has no applied index of its own. It verifies these bytes alone: the stream may be cut
// short after them.
//
// Errors: ErrCorrupt if the beginning is damaged or no backup; ErrFormatVersion; r's error;
// ErrInvalid for a nil r.
func ReadBackupInfo(r io.Reader) (info BackupInfo, err error) {
	if r == nil {
		return BackupInfo{}, fmt.Errorf("%w: ReadBackupInfo from a nil reader", ErrInvalid)
	}
	if info.Index, info.Applied, err = backup.ReadHead(r); err != nil {
		return BackupInfo{}, fmt.Errorf("read a backup's head: %w", err)
	}
	return info, nil
}
