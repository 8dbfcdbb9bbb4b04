package compaction

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"allocstore/store/internal/logcopy"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// Rewrite copies the file of st into a new one, which then replaces it. barrier has the committer
// call a function between two groups, and returns that function's error or its own. Rewrite blocks
// until all is done. The caller holds the maintenance lock.
//
// It copies the log in the order of its keys, some records in each short transaction, while
// the committer goes on appending to the old file. Nothing else changes there, since the
// sweeper rests. When little is left, the committer pauses, copies the rest, syncs the new
// file, renames it and goes on with it. Readers are in short transactions: a running one
// ends in the old file, the next one begins in the new.
//
// Errors: ctx's error; ErrCorrupt if the copy differs from the committed content; that of reading
// the old file, of writing the new one, or of barrier. After an error the old file is in use,
// unless the error is ErrOutcomeUnknown.
func Rewrite(ctx context.Context, st *state.State, barrier func(fn func() error) error) (err error) {
	n, err := st.File.NewSuccessor()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	rw := &rewrite{Successor: n, st: st, log: logcopy.New(st, math.MaxUint64)}
	if err := rw.fill(ctx); err != nil {
		return err
	}
	return barrier(rw.finish)
}

// A rewrite is the work of Rewrite.
type rewrite struct {
	*logfile.Successor
	st       *state.State
	log      *logcopy.Copy
	jobBytes int64
	damaged  []record.JobHash // jobs that were copied damaged
}

// maxRounds bounds how often the records written meanwhile are copied before the writers
// have to wait.
const maxRounds = 8

// fill copies everything, apart from a few last records. Each round copies and syncs the records
// written during the one before, until they are few; only the rest delays writers.
func (rw *rewrite) fill(ctx context.Context) error {
	for range maxRounds {
		copied, err := rw.round(ctx)
		if err == nil {
			err = rw.Sync()
		}
		if err != nil || copied <= logcopy.StepBytes {
			return err
		}
	}
	return nil
}

// round copies all records so far, and returns their bytes.
func (rw *rewrite) round(ctx context.Context) (bytes int, err error) {
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

// copySome copies the next records, and returns their bytes and whether there are more.
func (rw *rewrite) copySome() (n int, more bool, err error) {
	err = rw.between(func(old, to logfile.Tx) error {
		putJob := func(h record.JobHash, body []byte, damaged bool) error {
			if damaged {
				rw.damaged = append(rw.damaged, h)
			}
			rw.jobBytes += int64(len(h) + len(body))
			return rw.PutJob(to, h, body)
		}
		put := func(e *logfile.Entry) error { return rw.Put(to, e.Key, e.Value) }
		n, more, err = rw.log.Step(old, putJob, put)
		return err
	})
	return n, more, err
}

// between runs fn in a transaction of each file.
func (rw *rewrite) between(fn func(old, to logfile.Tx) error) error {
	return rw.st.File.View(func(old logfile.Tx) error {
		return rw.Fill(func(to logfile.Tx) error { return fn(old, to) })
	})
}

// copyRewritten copies jobs again that were copied damaged and have been rewritten since.
// Records never change after they were copied; a damaged job may.
func (rw *rewrite) copyRewritten() error {
	if len(rw.damaged) == 0 {
		return nil
	}
	return rw.between(func(old, to logfile.Tx) error {
		for _, h := range rw.damaged {
			if rw.st.Damaged.HasJob(h) {
				continue
			}
			body, err := old.Job(h)
			if err != nil {
				return err
			}
			replaced, err := to.PutJob(h, body) // its number in the content sum is the same
			if err != nil {
				return err
			}
			rw.jobBytes += int64(len(body) - replaced)
		}
		return nil
	})
}

// finish completes the new file, and lets the store go on with it. Only the committer calls
// it, between two groups.
func (rw *rewrite) finish() error {
	if err := rw.complete(); err != nil {
		return err
	}
	if err := rw.TakePlace(rw.st.File); err != nil {
		return err
	}
	rw.SwapInto(rw.st.File)
	rw.st.Manifest = rw.Manifest
	rw.st.Jobs.Keep(rw.log.Jobs())
	rw.st.Damaged.KeepJobs(rw.log.Jobs())
	rw.st.Size.Jobs.Store(rw.jobBytes)
	return nil
}

// complete copies the rest and makes the new file durable. If the copied content is not
// the committed one, the old file stays, as evidence.
func (rw *rewrite) complete() (err error) {
	for more := true; more; {
		if _, more, err = rw.copySome(); err != nil {
			return err
		}
	}
	if err := rw.copyRewritten(); err != nil {
		return err
	}
	copied, want := rw.Sum, rw.st.Manifest.Sum
	left := rw.st.Jobs.SumWithout(rw.log.Jobs())
	if copied+left != want {
		return fmt.Errorf("%w: what was copied is not what was written: the content's sum is %x, and should be %x", record.ErrCorrupt, copied+left, want)
	}
	rw.Manifest = rw.st.Manifest
	rw.Sum = copied // unused jobs are left behind
	return rw.Seal()
}
