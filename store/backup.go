package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
)

// BackupInfo says what a backup holds.
type BackupInfo struct {
	Index   uint64 // the index that it is of
	Records int    // of allocations: one or two each, and what compaction has not removed
	Jobs    int
	Damaged int // of the records and jobs, those that are damaged, and are copied as they are
	Bytes   int64
}

// Backup writes the store, as it is at its last index, to w: all allocations, the
// feed as far as it is kept, and what is known of deletions. Writes, reads and waits
// go on meanwhile and are not in it. What is damaged is in it as it is. It blocks until
// all is written, for as long as w takes, and holds neither a lock nor a transaction while
// w is written to; but compaction removes nothing until it is over. It needs a few
// megabytes of memory, however large the store is.
//
// Errors: ctx's error, which is looked at between writes; ErrClosed; ErrCorrupt; what
// w returned; ErrCompacted if the store was restored meanwhile. What has been
// written by then is no backup, and Restore says so.
func (s *Store) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	if w == nil {
		return BackupInfo{}, fmt.Errorf("%w: Backup to a nil writer", ErrInvalid)
	}
	b := backup{w: w, jobs: make(map[jobHash]bool)}
	end, err := b.begin(ctx, s)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("allocstore: backup: %w", err)
	}
	defer end()
	if err := b.run(ctx); err != nil {
		return BackupInfo{}, fmt.Errorf("allocstore: backup: %w", err)
	}
	return b.info, nil
}

// A backup copies the log up to a snapshot's index, some records in each transaction.
// Nothing is removed from the log meanwhile: a backup that has an allocation's insert
// and lacks its tombstone, which were removed in between, would bring it back to life.
//
// So what is copied is all that was there at the index, and has the sum that was
// committed with it. That is compared at the end: a page that has become another since
// the file was opened does not get into a backup.
type backup struct {
	sn   *Snapshot
	w    io.Writer
	info BackupInfo

	want    contentSum // of the records, if it is known
	known   bool
	records contentSum // of those that were copied

	next  key    // of the first record that has not been written
	buf   []byte // what goes to w next
	jobs  map[jobHash]bool
	holds contents
}

// begin has the sweeper rest, between two passes, and takes the snapshot, the sum of what
// is there, and the marks, which a restore moves. The function that it returns is to be
// called at the end.
func (b *backup) begin(ctx context.Context, s *Store) (end func(), err error) {
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	if err := s.sweeper.takeTurn(ctx); err != nil {
		return nil, causeOf(ctx, err)
	}
	defer s.sweeper.endTurn()
	if s.committer.between(func() {
		if b.sn, err = s.Snapshot(); err == nil {
			b.want, b.known = s.holds.sum-s.jobs.sumWithout(nil), true
		}
	}) != nil {
		b.sn, err = s.Snapshot() // of a failed store, which does not know what the file holds
	}
	if err != nil {
		return nil, err
	}
	b.holds.floor, b.holds.restored = s.floor.Load(), s.restored.Load()
	s.sweeper.backups.Add(1)
	return func() {
		_ = b.sn.Close()
		s.sweeper.backups.Add(-1)
		s.sweeper.nudge()
	}, nil
}

func (b *backup) run(ctx context.Context) error {
	b.info.Index = b.sn.index
	b.buf = binary.BigEndian.AppendUint32(append(b.buf, backupMagic...), backupVersion)
	b.buf = appendNumbers(b.buf, headFrame, b.info.Index)
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

// read adds what one transaction may read to what goes to w, and reports whether there
// is more.
func (b *backup) read(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = b.sn.s.file.view(func(r reading) (err error) {
		more, err = b.some(r)
		return err
	})
	if err == nil {
		err = b.sn.usable()
	}
	return more, err
}

// some adds the next records to what goes to w, and reports whether there are more.
func (b *backup) some(r reading) (more bool, err error) {
	for rec, err := range r.records(b.next) {
		if err != nil || rec.key.index > b.info.Index {
			return false, err
		}
		if len(b.buf) >= copyBytes {
			return true, nil
		}
		if rec.flags&flagSched != 0 && !b.jobs[rec.job] {
			if err := b.job(r, rec.job); err != nil {
				return false, err
			}
		}
		if rec.damaged {
			b.info.Damaged++
		}
		b.info.Records++
		b.records.add(ofRecord(rec.key, rec.value))
		b.buf = appendFrame(b.buf, recordFrame, rec.key.appendTo(nil), rec.value)
		b.next = rec.key.next()
	}
	return false, nil
}

// job adds a job to what goes to w.
func (b *backup) job(r reading, h jobHash) error {
	body, err := r.job(h)
	switch {
	case err == nil:
		b.buf = appendFrame(b.buf, jobFrame, body)
	case b.sn.s.quarantine.hasJob(h):
		b.info.Damaged++
		b.buf = appendFrame(b.buf, damagedJobFrame, h[:], body)
	default:
		return err
	}
	b.jobs[h] = true
	b.info.Jobs++
	b.holds.sum.add(ofJob(h))
	return nil
}

// foot adds the last frame.
func (b *backup) foot() {
	b.holds.sum += b.records
	b.holds.last = b.info.Index
	b.buf = appendNumbers(b.buf, footFrame, b.holds.floor, b.holds.restored,
		uint64(b.info.Records), uint64(b.info.Jobs), binary.BigEndian.Uint64(b.holds.encoded()))
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
