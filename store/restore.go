package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/ctxio"
	"allocstore/store/internal/logcopy"
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
// Errors: ErrCorrupt if the stream is damaged, cut short or no backup, also ErrTooLarge if a
// record in it may be larger than this store takes; ErrFormatVersion for another version;
// r's error; ctx's error; ErrClosed; ErrFailed; ErrReadOnly; or the error of writing the
// file; or ErrReplicated. After an error the store goes on as it was, with one exception: if it is unknown
// whether the new name is durable, the store fails.
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
	from := ctxio.NewReader(ctx, r)
	defer from.Close()
	rs := &restoration{Successor: n, s: s, from: backupstream.NewReader(from, s.opts.maxFrame())}
	if err := rs.read(ctx); err != nil {
		return err
	}
	if err := rs.Sync(); err != nil {
		return err
	}
	if err := s.maintenance.lock(ctx); err != nil {
		return err
	}
	defer s.maintenance.unlock()
	return rs.run(ctx)
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

// maxFrame returns the largest size of a backup's frame: a record with two parts, each with a
// status above the limit. It is at least 64 MiB, for backups of stores with other options.
func (o *Options) maxFrame() int64 {
	return max(64<<20, int64(2*(o.MaxAllocationBytes+2*plan.FreeStatus)+record.MaxOverhead))
}

// A restoration reads a backup into a new file, loads a state from it, and exchanges that
// for the store's.
type restoration struct {
	*logfile.Successor
	s      *Store
	from   *backupstream.Reader
	loaded *state.State

	records, jobs uint64
	after         record.Key // of the latest record
}

// read writes the whole stream to the new file.
func (rs *restoration) read(ctx context.Context) error {
	if err := rs.from.ReadMagic(); err != nil {
		return err
	}
	at := rs.from.Offset()
	kind, payload, err := rs.from.Next()
	if err != nil {
		return err
	}
	head, err := backupstream.ParseHead(payload)
	if err != nil || kind != backupstream.HeadFrame || head.Index < index.Created || head.Index == math.MaxUint64 {
		return rs.from.CorruptAt(at, record.ErrShape)
	}
	rs.Last = head.Index
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := rs.Fill(func(to logfile.Tx) (err error) {
			more, err = rs.readSome(to)
			return err
		})
		if err != nil {
			return err
		}
	}
	return rs.from.ExpectEnd()
}

// readSome writes the next frames in one transaction, and reports whether there are more.
func (rs *restoration) readSome(to logfile.Tx) (more bool, err error) {
	for start := rs.from.Offset(); rs.from.Offset()-start < logcopy.StepBytes; {
		at := rs.from.Offset()
		kind, payload, err := rs.from.Next()
		if err != nil {
			return false, err
		}
		if err := rs.frame(to, kind, payload); err != nil {
			return false, rs.from.CorruptAt(at, err)
		}
		if kind == backupstream.FootFrame {
			return false, nil
		}
	}
	return true, nil
}

// frame writes the content of one frame. The payload is valid until it returns.
func (rs *restoration) frame(to logfile.Tx, kind backupstream.Kind, payload []byte) error {
	switch kind {
	case backupstream.JobFrame:
		rs.jobs++
		if logfile.IsNote(payload) {
			return rs.note(payload)
		}
		return rs.PutJob(to, record.HashJob(record.UnsafeString(payload)), bytes.Clone(payload))
	case backupstream.DamagedJobFrame:
		rs.jobs++
		if len(payload) < len(record.JobHash{}) {
			return record.ErrShort
		}
		h := record.JobHash(payload)
		return rs.PutJob(to, h, bytes.Clone(payload[len(h):]))
	case backupstream.RecordFrame:
		rs.records++
		return rs.record(to, payload)
	case backupstream.FootFrame:
		return rs.foot(to, payload)
	}
	return record.ErrShape
}

// note takes the note of the backup, which foot writes with the manifest.
func (rs *restoration) note(payload []byte) (err error) {
	if rs.Note != "" {
		return record.ErrShape
	}
	rs.Note, err = logfile.ParseNote(payload)
	return err
}

// record writes a record.
func (rs *restoration) record(to logfile.Tx, payload []byte) error {
	if len(payload) < record.KeyLen {
		return record.ErrShort
	}
	k, value := record.ParseKey(payload), bytes.Clone(payload[record.KeyLen:]) // the transaction keeps it
	if !k.After(rs.after) || k.Index > rs.Last {
		return record.ErrShape
	}
	if _, err := record.Parse(k, value); err != nil && err != record.ErrDamaged {
		return err
	}
	rs.after = k
	return rs.Put(to, k, value)
}

// foot compares the content with the numbers in the last frame, and writes the manifest.
func (rs *restoration) foot(to logfile.Tx, payload []byte) error {
	foot, err := backupstream.ParseFoot(payload)
	if err != nil {
		return err
	}
	rs.Floor, rs.Restored = foot.Floor, foot.Restored
	if foot.Records != rs.records || foot.Jobs != rs.jobs || foot.Sum != rs.Total() {
		return record.ErrChecksum
	}
	return errors.Join(rs.PutMarks(to), rs.Manifest.Put(to))
}

// run loads a state from the new file as Open would, decodes every allocation, and
// exchanges the state.
func (rs *restoration) run(ctx context.Context) (err error) {
	if rs.loaded, err = state.LoadRaw(ctx, rs.Raw(), rs.s.opts.state()); err != nil {
		return err
	}
	rs.loaded.File = rs.File
	err = rs.loaded.DecodeEach(ctx, func(id schema.ID, err error) error {
		return fmt.Errorf("%w: allocation %v: %w", ErrCorrupt, id, err)
	})
	if err != nil {
		return err
	}
	return rs.s.committer.barrier(rs.finish)
}

// finish exchanges the state. Only the committer calls it, between two groups. A reader
// has the old state or the new one; see core.
func (rs *restoration) finish() error {
	if err := rs.mark(); err != nil {
		return err
	}
	s := rs.s
	old := s.state.Load().File
	if err := rs.TakePlace(old); err != nil {
		return err
	}
	rs.InheritFrom(old)
	rs.loaded.MarkRestored(rs.Manifest)
	s.sweeper.Reset()
	s.state.Store(rs.loaded)
	s.applied.Raise(rs.loaded.Applied())
	s.watch.Broadcast(watch.Signal{Kind: watch.Restored, Index: rs.Last})
	s.tail.Wake()
	return nil
}

// mark marks the restore in the new file, at an index that the store has not had, and makes
// the file durable.
func (rs *restoration) mark() error {
	applied := rs.s.AppliedIndex()
	if rs.Last <= applied {
		next, err := index.Next(applied)
		if err != nil {
			return err
		}
		rs.Last = next
	}
	rs.Floor, rs.Restored = rs.Last, rs.Last
	return rs.Seal()
}
