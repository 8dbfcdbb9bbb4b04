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
	db   *database
	grow int // how much is added to the file at a time, afterwards
	next key // of the first record that has not been copied

	holds    contents
	jobs     map[jobHash]bool
	jobBytes int64
	swapped  bool
}

const (
	// maxCatchUps bounds how often what has been written meanwhile is copied, before
	// the writers have to wait.
	maxCatchUps = 8

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
	old, err := s.file.inPlace()
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.file.path), unfinished(s.file.path)+"*") // mode 0600
	if err != nil {
		return nil, err
	}
	rw = &rewrite{s: s, path: tmp.Name(), jobs: make(map[jobHash]bool)}
	if err = errors.Join(own(tmp, old), tmp.Close()); err == nil {
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
	f, err := openLocked(rw.path, os.O_RDWR, &rw.s.opts, rw.s.opts.openFile)
	if err != nil {
		return err
	}
	if rw.db, err = openDatabase(rw.path, f, &rw.s.opts); err != nil {
		return errors.Join(err, f.Close())
	}
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

// run copies everything and swaps the files. What is written to the old one while
// the new one is synced is copied and synced in turn, until that is little: all that
// is left then holds the writers up.
func (rw *rewrite) run(ctx context.Context) error {
	for range maxCatchUps {
		copied, err := rw.catchUp(ctx)
		if err == nil {
			err = rw.db.Sync()
		}
		if err != nil {
			return err
		}
		if copied <= copyBytes {
			break
		}
	}
	return rw.s.committer.do(&chore{rewrite: rw})
}

// catchUp copies what there is and returns how many bytes that were.
func (rw *rewrite) catchUp(ctx context.Context) (bytes int, err error) {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return bytes, err
		}
		start := time.Now()
		var n int
		if n, more, err = rw.copySome(); err != nil {
			return bytes, err
		}
		bytes += n
		pause(ctx, time.Since(start))
	}
	return bytes, nil
}

// copySome copies the next records, and returns how many bytes they have and whether
// there are more.
func (rw *rewrite) copySome() (n int, more bool, err error) {
	defer contain(rw.path, &err)()
	err = rw.s.file.view(func(old reading) error {
		return rw.db.Update(func(tx *bbolt.Tx) error {
			n, more, err = rw.copyLog(old, readingOf(tx))
			return err
		})
	})
	return n, more, err
}

// copyLog copies records from rw.next on, with the jobs that they are the first to
// name.
func (rw *rewrite) copyLog(old, to reading) (n int, more bool, err error) {
	to.log.FillPercent = 1
	var buf [keyLen]byte
	for rec, err := range old.records(rw.next) {
		if err != nil || n >= copyBytes {
			return n, true, err
		}
		if rec.flags&flagSched != 0 && !rw.jobs[rec.job] {
			if err := rw.copyJob(old, to, rec.job); err != nil {
				return n, true, err
			}
		}
		if err := to.log.Put(rec.key.appendTo(buf[:0]), rec.value); err != nil {
			return n, true, err
		}
		rw.holds.sum.add(ofRecord(rec.key, rec.value))
		rw.next = rec.key.next()
		n += rec.size()
	}
	return n, false, nil
}

func (rw *rewrite) copyJob(old, to reading, h jobHash) error {
	body := old.jobs().Get(h[:])
	if body == nil || hashJob(aliasOf(body)) != h {
		return fmt.Errorf("%w: job %x: %w", ErrCorrupt, h, errChecksum)
	}
	rw.jobs[h] = true
	rw.holds.sum.add(ofJob(h))
	rw.jobBytes += int64(len(h) + len(body))
	return to.jobs().Put(h[:], body)
}

// finish copies what is left and makes the new file durable. Nobody writes to the
// old one meanwhile.
func (rw *rewrite) finish() (err error) {
	defer contain(rw.path, &err)()
	for more := true; more; {
		if _, more, err = rw.copySome(); err != nil {
			return err
		}
	}
	rw.db.NoSync, rw.db.AllocSize = false, rw.grow
	sum := rw.holds.sum
	rw.holds = rw.s.committer.plan.holds
	rw.holds.sum = sum // without the jobs that are left behind
	return rw.s.file.db.Load().View(func(old *bbolt.Tx) error {
		return rw.db.Update(func(tx *bbolt.Tx) error {
			to := tx.Bucket(metaBucket)
			if err := old.Bucket(metaBucket).ForEach(to.Put); err != nil {
				return err
			}
			return putContents(to, &rw.holds)
		})
	})
}

// swap gives the new file the old one's name and has the store go on with it.
// unknown says that a crash might leave either of them, from now on; before that an
// error does no harm.
func (rw *rewrite) swap() (unknown bool, err error) {
	f := rw.s.file
	if _, err := f.inPlace(); err != nil {
		return false, err
	}
	if err := os.Rename(rw.path, f.path); err != nil {
		_, moved := f.inPlace()
		return moved != nil, err
	}
	rw.swapped = true
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return true, err
	}
	rw.db = f.db.Swap(rw.db)
	rw.s.jobs.keep(rw.jobs)
	rw.s.tally.jobs.Store(rw.jobBytes)
	return false, nil
}

// unfinished is how the names of the files begin that become the store at path.
func unfinished(path string) string { return "." + filepath.Base(path) + ".new-" }

// removeUnfinished removes what has not become the store at path when a crash came in
// between. The path is locked, so nobody is at work on one. What cannot be removed
// does no harm.
func removeUnfinished(path string) {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished(path)) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
