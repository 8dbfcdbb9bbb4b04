package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Compact removes every superseded record that no reader needs and
// Options.FeedRetention does not keep, and then rewrites the file, so that it
// becomes as small as its content. Jobs that no record names any more go as well.
// Reads, waits and writes go on meanwhile, a short pause of the writes at the end
// aside. It blocks until all is done; one call at a time does the work.
//
// The new file is written beside the old one, which takes as much room again, and
// takes its name once all of it is durable: a crash leaves the one or the other. A
// file that a crash leaves unfinished is removed by the next Open.
//
// Errors: ctx's error, ErrClosed, ErrFailed, or what writing the new file
// returned, a full disk for example. After an error the store is as it was and
// goes on, but for one: if it is not known whether the new name is durable the
// store fails.
func (s *Store) Compact(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.sweeper.life, func() { cancel(ErrClosed) })()
	if err := s.sweeper.compact(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("allocstore: compact: %w", err)
	}
	return nil
}

// compact makes a pass and rewrites the file.
func (sw *sweeper) compact(ctx context.Context) error {
	sw.passing.Lock()
	defer sw.passing.Unlock()
	if err := sw.usable(); err != nil {
		return err
	}
	if err := sw.passLocked(ctx); err != nil {
		return err
	}
	rw, err := newRewrite(sw.s)
	if err != nil {
		return err
	}
	err = rw.run(ctx)
	return errors.Join(err, rw.close())
}

// usable returns why nothing can be compacted, if that is so.
func (sw *sweeper) usable() error {
	if failure := sw.s.failure.Load(); failure != nil {
		return *failure
	}
	if sw.s.closed.Load() {
		return ErrClosed
	}
	return nil
}

// A rewrite copies the store into a new file, which then takes the old one's
// place.
//
// The log is copied in the order of its keys, some records in each short
// transaction, while the committer goes on appending to the old file; nothing
// else changes there as long as the sweeper rests. When little is left, the
// committer, which writes nothing then, copies the rest, syncs the new file,
// renames it and goes on with it. Readers are in short transactions: those in the
// old file end there, the next ones begin in the new.
type rewrite struct {
	s    *Store
	path string // of the new file, as long as it has not the store's own name
	db   *bbolt.DB
	grow int // how much is added to the file at a time, afterwards
	next key // of the first record that has not been copied

	jobs     map[jobHash]bool
	jobBytes int64
	swapped  bool
}

const (
	// rewriteMark is in the name of the file that is being written.
	rewriteMark = ".rewrite-"

	// copyBytes bounds what is copied in one transaction, and so how long the
	// writers pause at the end.
	copyBytes = 1 << 20

	// growBytes is how much is added to the file at a time, with a sync of what is
	// there, and so how much longer it is than its content at the most.
	growBytes = 4 << 20
)

// newRewrite makes the new file.
func newRewrite(s *Store) (rw *rewrite, err error) {
	defer contain(s.file.path, &err)()
	dir, name := filepath.Split(s.file.path)
	tmp, err := os.CreateTemp(dir, "."+name+rewriteMark+"*") // mode 0600
	if err != nil {
		return nil, err
	}
	rw = &rewrite{s: s, path: tmp.Name(), next: key{}, jobs: make(map[jobHash]bool)}
	if err = tmp.Close(); err == nil {
		err = initialize(rw.path)
	}
	if err == nil {
		err = rw.open()
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(rw.path))
	}
	return rw, nil
}

// open opens the new file, locked.
func (rw *rewrite) open() error {
	f, err := openLocked(rw.path, &rw.s.opts)
	if err != nil {
		return err
	}
	opened, err := openDatabase(rw.path, f, &rw.s.opts)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	rw.db = opened.db.Load()
	rw.grow = rw.db.AllocSize
	rw.db.NoSync, rw.db.AllocSize = true, growBytes // until it is complete
	return nil
}

// close ends the rewrite: it closes the file that is not the store's, whichever
// that is, once nobody reads in it.
func (rw *rewrite) close() error {
	err := rw.db.Close()
	if !rw.swapped {
		err = errors.Join(err, os.Remove(rw.path))
	}
	return err
}

// run copies everything and swaps the files.
func (rw *rewrite) run(ctx context.Context) error {
	for more := true; more; {
		start := time.Now()
		var err error
		if more, err = rw.copySome(); err != nil {
			return err
		}
		if !pause(ctx, time.Since(start)) {
			return ctx.Err()
		}
	}
	if err := rw.db.Sync(); err != nil {
		return err
	}
	return rw.s.committer.do(&chore{rewrite: rw})
}

// copySome copies the next records, and reports whether there are more.
func (rw *rewrite) copySome() (more bool, err error) {
	defer contain(rw.path, &err)()
	err = rw.s.file.view(func(old reading) error {
		return rw.db.Update(func(tx *bbolt.Tx) error {
			more, err = rw.copyLog(old, readingOf(tx))
			return err
		})
	})
	return more, err
}

// copyLog copies records from rw.next on, with the jobs that they are the first to
// name, and reports whether there are more.
func (rw *rewrite) copyLog(old, to reading) (more bool, err error) {
	to.log.FillPercent = 1
	var from [keyLen]byte
	size := 0
	c := old.log.Cursor()
	k, v := c.Seek(rw.next.appendTo(from[:0]))
	for ; k != nil && size < copyBytes; k, v = c.Next() {
		at := parseKey(k)
		rec, err := parseRecord(at, v)
		if err != nil {
			return false, corruptAt(at, "%v", err)
		}
		if rec.flags&flagSched != 0 && !rw.jobs[rec.job] {
			if err := rw.copyJob(old, to, rec.job); err != nil {
				return false, err
			}
		}
		if err := to.log.Put(k, v); err != nil {
			return false, err
		}
		rw.next = key{at.index, at.pos + 1}
		size += len(k) + len(v)
	}
	return k != nil, nil
}

func (rw *rewrite) copyJob(old, to reading, h jobHash) error {
	body := old.jobs().Get(h[:])
	if body == nil || hashJob(aliasOf(body)) != h {
		return fmt.Errorf("%w: job %x: %w", ErrCorrupt, h, errChecksum)
	}
	rw.jobs[h] = true
	rw.jobBytes += int64(len(h) + len(body))
	return to.jobs().Put(h[:], body)
}

// finish copies what is left and makes the new file durable. Nobody writes to the
// old one meanwhile.
func (rw *rewrite) finish() (err error) {
	defer contain(rw.path, &err)()
	for more := true; more; {
		if more, err = rw.copySome(); err != nil {
			return err
		}
	}
	rw.db.NoSync, rw.db.AllocSize = false, rw.grow
	return rw.s.file.db.Load().View(func(old *bbolt.Tx) error {
		return rw.db.Update(func(tx *bbolt.Tx) error {
			to := tx.Bucket(metaBucket)
			return old.Bucket(metaBucket).ForEach(to.Put)
		})
	})
}

// swap gives the new file the old one's name and has the store go on with it. An
// error leaves it unknown which of the two a crash would leave.
func (rw *rewrite) swap() error {
	f := rw.s.file
	if err := os.Rename(rw.path, f.path); err != nil {
		return err
	}
	rw.swapped = true
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return err
	}
	rw.db = f.db.Swap(rw.db)
	rw.s.jobs.keep(rw.jobs)
	rw.s.tally.jobs.Store(rw.jobBytes)
	return nil
}

// removeUnfinished removes the files that a rewrite of the store at path has left
// when a crash ended it. The store is locked, so nobody is at work on one. What
// cannot be removed does no harm.
func removeUnfinished(path string) {
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+name+rewriteMark) {
			_ = os.Remove(dir + e.Name())
		}
	}
}
