package store

import (
	"context"
	"fmt"
	"time"
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
	*successor
	next     key // of the first record that has not been copied
	jobs     map[jobHash]bool
	jobBytes int64
	damaged  []jobHash // of the jobs, those that were copied so
}

const (
	// maxCatchUps bounds how often what has been written meanwhile is copied, before
	// the writers have to wait.
	maxCatchUps = 8

	// copyBytes bounds what is copied in one transaction, and so how long the
	// writers pause at the end.
	copyBytes = 1 << 20
)

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
	return rw.s.committer.do(&chore{between: rw.finish})
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
	err = rw.s.file.view(func(old reading) error {
		return rw.update(func(to reading) error {
			n, more, err = rw.copyLog(old, to)
			return err
		})
	})
	return n, more, err
}

// copyLog copies records from rw.next on, with the jobs that they are the first to
// name.
func (rw *rewrite) copyLog(old, to reading) (n int, more bool, err error) {
	for rec, err := range old.records(rw.next) {
		if err != nil || n >= copyBytes {
			return n, true, err
		}
		if rec.flags&flagSched != 0 && !rw.jobs[rec.job] {
			if err := rw.copyJob(old, to, rec.job); err != nil {
				return n, true, err
			}
		}
		if err := rw.put(to, rec.key, rec.value); err != nil {
			return n, true, err
		}
		rw.next = rec.key.next()
		n += rec.size()
	}
	return n, false, nil
}

func (rw *rewrite) copyJob(old, to reading, h jobHash) error {
	body, err := old.job(h)
	switch {
	case err == nil:
	case rw.s.quarantine.hasJob(h):
		rw.damaged = append(rw.damaged, h)
	default:
		return err
	}
	rw.jobs[h] = true
	rw.jobBytes += int64(len(h) + len(body))
	return rw.putJob(to, h, body)
}

// copyHealed copies the damaged jobs anew that have been written again since: unlike a
// record, such a job does not stay what it was when it was copied.
func (rw *rewrite) copyHealed() error {
	if len(rw.damaged) == 0 {
		return nil
	}
	return rw.s.file.view(func(old reading) error {
		return rw.update(func(to reading) error {
			for _, h := range rw.damaged {
				if err := rw.copyAgain(old, to, h); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// copyAgain copies a job anew, unless it is still damaged. Its part in the sum is the same.
func (rw *rewrite) copyAgain(old, to reading, h jobHash) error {
	if rw.s.quarantine.hasJob(h) {
		return nil
	}
	body, err := old.job(h)
	if err != nil {
		return err
	}
	rw.jobBytes += int64(len(body) - len(to.jobs().Get(h[:])))
	return to.jobs().Put(h[:], body)
}

// finish copies what is left, makes the new file durable, and has the store go on with
// it. Only the committer calls it, between two groups; unknown is that of takePlace.
func (rw *rewrite) finish() (unknown bool, err error) {
	if err := rw.complete(); err != nil {
		return false, err
	}
	if unknown, err := rw.takePlace(); err != nil {
		return unknown, err
	}
	rw.succeed()
	rw.s.jobs.keep(rw.jobs)
	rw.s.quarantine.keepJobs(rw.jobs)
	rw.s.tally.jobs.Store(rw.jobBytes)
	return false, nil
}

// complete copies what is left and makes the new file durable, unless what was copied is
// not what is known to have been written: the old file then stays, for whoever may want to
// know why.
func (rw *rewrite) complete() (err error) {
	for more := true; more; {
		if _, more, err = rw.copySome(); err != nil {
			return err
		}
	}
	if err := rw.copyHealed(); err != nil {
		return err
	}
	was, sum := rw.s.holds, rw.holds.sum
	left := rw.s.jobs.sumWithout(rw.jobs)
	if sum+left != was.sum {
		return fmt.Errorf("%w: what was copied is not what was written: the content's sum is %x, and should be %x", ErrCorrupt, sum+left, was.sum)
	}
	rw.holds = was
	rw.holds.sum = sum // without the jobs that are left behind
	return rw.seal()
}
