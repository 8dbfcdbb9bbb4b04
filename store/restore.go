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
	"allocstore/store/internal/boltfile"
	"allocstore/watch"
)

// Restore replaces all that the store holds by what a backup of this or another store
// has. It blocks until that is done; reads and writes go on until the moment at which
// everything is exchanged. Writes that come later are applied to the restored content.
//
// LastIndex becomes the backup's, or one past the store's own if that is not below it:
// it never goes back. That index marks the restore. Every wait returns once with
// Restored. Snapshots and feeds that were open before get ErrCompacted, as does who
// asks for changes before the mark: what leads from the old content to the new
// is not known.
//
// The new content is written to a file beside the store's, verified as Open does and
// decoded, and takes the name once all of it is durable: a crash leaves the old content or
// the new. For a while there are two files, and the memory of two tables.
//
// Errors: ErrCorrupt if the stream is damaged, cut short or no backup, and ErrTooLarge if
// it may as well be that a record is larger than any that this store takes; ErrFormatVersion
// if it is of another version; what r returned; ctx's error; ErrClosed; ErrFailed;
// ErrReadOnly; or what writing the file returned. After an error the store is as it
// was, but for one: if it is not known whether the new name is durable it fails.
func (s *Store) Restore(ctx context.Context, r io.Reader) error {
	if r == nil {
		return fmt.Errorf("%w: Restore from a nil reader", ErrInvalid)
	}
	ctx, stop := s.untilClosed(ctx)
	defer stop()
	if err := s.sweeper.restore(ctx, r); err != nil {
		return fmt.Errorf("allocstore: restore: %w", causeOf(ctx, err))
	}
	s.report(s.file.path)
	return nil
}

// restore reads the backup into a new file, for as long as r takes, and then has the
// turn, so that nothing is forgotten and no file rewritten meanwhile.
func (sw *sweeper) restore(ctx context.Context, r io.Reader) (err error) {
	n, err := sw.newSuccessor(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	from, stop := interruptible(ctx, r)
	defer stop()
	rs := &restoration{successor: n, from: frameReader{r: from, most: sw.s.opts.maxFrame()}}
	if err := rs.read(ctx); err != nil {
		return err
	}
	if err := rs.db.Sync(); err != nil {
		return err
	}
	if err := sw.takeTurn(ctx); err != nil {
		return err
	}
	defer sw.endTurn()
	if err = rs.run(ctx); err == nil {
		sw.swept = 0
	}
	return err
}

// newSuccessor makes the new file, while nobody else exchanges the store's.
func (sw *sweeper) newSuccessor(ctx context.Context) (*successor, error) {
	if err := sw.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer sw.endTurn()
	if err := sw.usable(); err != nil {
		return nil, err
	}
	return newSuccessor(sw.s)
}

// interruptible returns a reader of r whose reads end with ctx, even while r's do not.
func interruptible(ctx context.Context, r io.Reader) (_ io.Reader, stop func()) {
	from, to := io.Pipe()
	go func() {
		_, err := io.Copy(to, r)
		to.CloseWithError(err)
	}()
	ended := context.AfterFunc(ctx, func() { from.CloseWithError(ctx.Err()) })
	return from, func() {
		ended()
		_ = from.Close()
	}
}

// A restoration reads a backup into a new file, makes a twin of the store from that,
// and has the store become its twin.
type restoration struct {
	*successor
	from frameReader
	twin *Store

	records, jobs uint64
	after         key // of the last record
}

func (rs *restoration) run(ctx context.Context) error {
	if err := rs.makeTwin(ctx); err != nil {
		return err
	}
	return rs.s.committer.do(&chore{between: rs.finish})
}

// read writes the whole stream to the new file.
func (rs *restoration) read(ctx context.Context) error {
	if err := rs.from.begin(); err != nil {
		return err
	}
	at := rs.from.at
	kind, payload, err := rs.from.next()
	if err != nil {
		return err
	}
	head, err := parseNumbers(payload, 1)
	if err != nil || kind != headFrame || head[0] < index.Created || head[0] == math.MaxUint64 {
		return rs.from.broken(at, errShape)
	}
	rs.holds.last = head[0]
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := rs.update(func(to reading) (err error) {
			more, err = rs.some(to)
			return err
		})
		if err != nil {
			return err
		}
	}
	return rs.from.end()
}

// some writes the next frames in one transaction, and reports whether there are more.
func (rs *restoration) some(to reading) (more bool, err error) {
	for begun := rs.from.at; rs.from.at-begun < copyBytes; {
		at := rs.from.at
		kind, payload, err := rs.from.next()
		if err != nil {
			return false, err
		}
		if err := rs.take(to, kind, payload); err != nil {
			return false, rs.from.broken(at, err)
		}
		if kind == footFrame {
			return false, nil
		}
	}
	return true, nil
}

// take writes what one frame holds. The payload is good until it returns.
func (rs *restoration) take(to reading, kind frameKind, payload []byte) error {
	switch kind {
	case jobFrame:
		rs.jobs++
		return rs.putJob(to, hashJob(aliasOf(payload)), bytes.Clone(payload))
	case damagedJobFrame:
		rs.jobs++
		return rs.putDamagedJob(to, payload)
	case recordFrame:
		rs.records++
		return rs.putRecord(to, payload)
	case footFrame:
		return rs.foot(to, payload)
	}
	return errShape
}

// putDamagedJob writes a job that does not have the content of its hash.
func (rs *restoration) putDamagedJob(to reading, payload []byte) error {
	if len(payload) < len(jobHash{}) {
		return errShort
	}
	h := jobHash(payload)
	return rs.putJob(to, h, bytes.Clone(payload[len(h):]))
}

func (rs *restoration) putRecord(to reading, payload []byte) error {
	if len(payload) < keyLen {
		return errShort
	}
	k, value := parseKey(payload), bytes.Clone(payload[keyLen:]) // which the transaction keeps
	if !k.after(rs.after) || k.index > rs.holds.last {
		return errShape
	}
	if _, err := parseRecord(k, value); err != nil && err != errDamaged {
		return err
	}
	rs.after = k
	return rs.put(to, k, value)
}

// foot compares what was read with what the last frame says of it, and leaves that in
// the file.
func (rs *restoration) foot(to reading, payload []byte) error {
	n, err := parseNumbers(payload, 5)
	if err != nil {
		return err
	}
	rs.holds.floor, rs.holds.restored = n[0], n[1]
	if n[2] != rs.records || n[3] != rs.jobs || !bytes.Equal(payload[4*8:], rs.holds.encoded()) {
		return errChecksum
	}
	meta := to.tx.Bucket(metaBucket)
	return errors.Join(putMark(meta, floorKey, n[0]), putMark(meta, restoredKey, n[1]), putContents(to.tx, &rs.holds))
}

// makeTwin reads the new file as Open would, and decodes all that is in it.
func (rs *restoration) makeTwin(ctx context.Context) error {
	f, err := boltfile.Open(rs.db.f)
	if err != nil {
		return damaged(err)
	}
	rs.twin = newStore(rs.s.opts)
	rs.twin.end()
	rs.twin.table.seed = rs.s.table.seed
	if err := rs.twin.loadBuckets(ctx, f); err != nil {
		return damaged(err)
	}
	written := &file{path: rs.path}
	written.db.Store(rs.db)
	return rs.twin.decodeEach(ctx, written, func(id schema.ID, err error) error {
		return fmt.Errorf("%w: allocation %v: %w", ErrCorrupt, id, err)
	})
}

// finish has the store become its twin. Only the committer calls it, between two groups;
// unknown is that of takePlace.
//
// Whoever reads one allocation meanwhile gets what there was or what there will be;
// whoever reads something as of an index looks afterwards whether the store was
// restored, and begins looking before anything is exchanged here.
func (rs *restoration) finish() (unknown bool, err error) {
	if err := rs.mark(); err != nil {
		return false, err
	}
	if unknown, err := rs.takePlace(); err != nil {
		return unknown, err
	}
	s := rs.s
	s.restoring.Store(true)
	rs.succeed()
	s.become(rs.twin)
	s.restored.Store(rs.holds.restored)
	s.floor.Store(rs.holds.floor)
	s.index.Publish(rs.holds.last)
	s.restoring.Store(false)
	s.watch.Broadcast(watch.Signal{Kind: watch.Restored, Index: rs.holds.last})
	s.tail.wake()
	return false, nil
}

// mark marks the restore in the new file, at an index that the store has not had, and
// makes the file durable.
func (rs *restoration) mark() error {
	last := rs.s.index.Last()
	if rs.holds.last <= last {
		next, err := index.Next(last)
		if err != nil {
			return err
		}
		rs.holds.last = next
	}
	rs.holds.floor, rs.holds.restored = rs.holds.last, rs.holds.last
	return rs.seal()
}

// become takes over the memory of a store that nobody uses.
func (s *Store) become(twin *Store) {
	s.table.become(twin.table)
	s.lists.become(twin.lists)
	s.jobs.become(twin.jobs)
	s.tally.become(twin.tally)
	s.quarantine.become(&twin.quarantine)
	s.counts.quarantined.Store(twin.counts.quarantined.Load())
	s.counts.allocations.Store(twin.counts.allocations.Load())
	s.counts.tombstones.Store(twin.counts.tombstones.Load())
}
