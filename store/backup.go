package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/compaction"
	"allocstore/store/internal/logcopy"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
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

// Backup writes the store as it is at its last index to w: all allocations, the feed as far
// as it is kept, and the remembered deletions. Writes, reads and waits go on meanwhile and
// are not in it. AppliedIndex is in it too, and is durable when Backup begins to write. Damaged content
// is copied as it is. Backup blocks until everything is written, for as long as w takes. It holds neither a lock nor a transaction while it writes
// to w, but compaction removes nothing until it is done. It needs a few megabytes of memory,
// however large the store is.
//
// If the store has failed or its disk is full, its own AppliedIndex may not be durable. A replica then
// returns ErrFailed or ErrNoSpace, since its log may be cut after a backup; any other store is written as it
// was published last.
//
// Errors: ctx's error, which is checked between writes; ErrClosed; ErrCorrupt; w's error;
// ErrRestored if the store was restored meanwhile. After an error, Restore refuses the bytes
// that were written.
func (s *Store) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	if w == nil {
		return BackupInfo{}, fmt.Errorf("%w: Backup to a nil writer", ErrInvalid)
	}
	b := backup{w: w}
	end, err := b.begin(ctx, s)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	defer end()
	if err := b.run(ctx); err != nil {
		return BackupInfo{}, fmt.Errorf("backup: %w", err)
	}
	return b.info, nil
}

// A backup copies the log up to a snapshot's index, some records in each transaction.
// Nothing is removed from the log meanwhile. Otherwise a backup could have an allocation's
// insert and lack its tombstone, and bring the allocation back to life.
//
// So the copied records are all that existed at the index, and have the content sum of that
// commit. The sums are compared at the end: a page that changed since the file was opened
// does not get into a backup.
type backup struct {
	sn   *Snapshot
	w    io.Writer
	info BackupInfo

	want    record.ContentSum // of the records, if it is known
	known   bool
	records record.ContentSum // of the records that were copied

	log      *logcopy.Copy
	notes    uint64           // 1 if the stream has a note
	buf      []byte           // goes to w next
	manifest logfile.Manifest // of the copied content
}

// begin pauses the sweeper between two passes, and notes the snapshot, the content sum at
// its index, and the marks. Call end when the backup is done.
func (b *backup) begin(ctx context.Context, s *Store) (end func(), err error) {
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	if err := s.maintenance.lock(ctx); err != nil {
		return nil, causeOf(ctx, err)
	}
	defer s.maintenance.unlock()
	applied := s.AppliedIndex() // of a failed store: not above the snapshot's content
	err = s.committer.barrier(func() (err error) {
		if err := s.saveApplied(); err != nil && (s.opts.Replicated || !errors.Is(err, ErrNoSpace)) {
			return err
		}
		if b.sn, err = s.Snapshot(); err == nil {
			st := s.state.Load()
			applied = st.Applied()
			b.want, b.known = st.Manifest.Sum-st.Jobs.SumWithout(nil), true
		}
		return err
	})
	if err != nil && !s.opts.Replicated {
		b.sn, err = s.Snapshot() // of a failed store, whose content sum is unknown
	}
	if err != nil {
		return nil, err
	}
	st := s.state.Load()
	b.info.Index = b.sn.index
	b.log = logcopy.New(st, b.sn.index)
	b.manifest.Last = b.sn.index
	b.manifest.SetApplied(applied, st.Kept.Load())
	b.info.Applied = b.manifest.Applied()
	b.manifest.Floor, b.manifest.Restored = st.Floor.Load(), st.Restored.Load()
	resume := s.sweeper.Pause()
	return func() {
		_ = b.sn.Close()
		resume()
		compaction.Wake(s.state.Load(), s.sweepDue)
	}, nil
}

func (b *backup) run(ctx context.Context) error {
	b.buf = backupstream.AppendMagic(b.buf)
	b.buf = backupstream.AppendHead(b.buf, backupstream.Head{Index: b.info.Index})
	if note := b.manifest.Note; note != "" { // a job to older releases, and counted as one
		b.buf = backupstream.AppendFrame(b.buf, backupstream.JobFrame, []byte(note))
		b.notes = 1
	}
	for more := true; more; {
		var err error
		if more, err = b.read(ctx); err == nil && more {
			err = b.flush()
		}
		if err != nil {
			return err
		}
	}
	if b.known && b.records != b.want {
		return fmt.Errorf("%w: what was read is not what was written: the records' sum is %x, and should be %x", ErrCorrupt, b.records, b.want)
	}
	b.foot()
	return b.flush()
}

// read appends as many frames as one transaction may read to buf, and reports whether there
// are more.
func (b *backup) read(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = b.log.File().View(func(t logfile.Tx) (err error) {
		_, more, err = b.log.Step(t, b.job, b.record)
		return err
	})
	if _, e := b.sn.state(); e != nil {
		return false, e
	}
	return more, err
}

// record appends the frame of a record.
func (b *backup) record(e *logfile.Entry) error {
	if e.Damaged {
		b.info.Damaged++
	}
	b.info.Records++
	b.records.Add(record.SumNumber(e.Key, e.Value))
	b.buf = backupstream.AppendFrame(b.buf, backupstream.RecordFrame, e.Key.AppendTo(nil), e.Value)
	return nil
}

// job appends the frame of a job.
func (b *backup) job(h record.JobHash, body []byte, damaged bool) error {
	if damaged {
		b.info.Damaged++
		b.buf = backupstream.AppendFrame(b.buf, backupstream.DamagedJobFrame, h[:], body)
	} else {
		b.buf = backupstream.AppendFrame(b.buf, backupstream.JobFrame, body)
	}
	b.info.Jobs++
	b.manifest.Sum.Add(h.SumNumber())
	return nil
}

// foot appends the last frame.
func (b *backup) foot() {
	b.manifest.Sum += b.records
	b.buf = backupstream.AppendFoot(b.buf, backupstream.Foot{
		Floor: b.manifest.Floor, Restored: b.manifest.Restored,
		Records: uint64(b.info.Records), Jobs: uint64(b.info.Jobs) + b.notes, Sum: b.manifest.Total(),
	})
}

func (b *backup) flush() error {
	n, err := b.w.Write(b.buf)
	b.info.Bytes += int64(n)
	if err == nil && n < len(b.buf) {
		err = io.ErrShortWrite
	}
	b.buf = b.buf[:0]
	return err
}
